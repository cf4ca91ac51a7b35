namespace KvChat.Kernels;

/// <summary>What happens to the products of a linear layer before they are stored.</summary>
public enum LinearEpilogue
{
    /// <summary><c>output = scale * y</c>.</summary>
    Store,

    /// <summary><c>output += scale * y</c>: the residual connection.</summary>
    Add,

    /// <summary>Two parts of equal rows, gate and up: <c>output = silu(gate) * up</c>.</summary>
    GatedSilu,

    /// <summary>Two parts of equal rows, gate and up: <c>output = gelu(gate) * up</c>, with the tanh form of GELU.</summary>
    GatedGelu,
}

/// <summary>
/// <c>y = norm(input) W^T + bias</c> over the first <see cref="Rows"/> rows of the input, then the epilogue.
/// </summary>
/// <remarks>
/// The order in which the products of an output are added is the back end's own, but it hangs on the weights alone (their format and number of columns): the same
/// row gives the same bits alone, in a chunk and in a batch. On the CPU it is one chain over the columns; on a GPU, tensor cores add groups of columns and
/// these are added in order. Bits of one back end are not those of another.
/// </remarks>
public readonly struct LinearOperation
{
    /// <summary>Activations, <c>[>= Rows, Weight.Columns]</c>; never the same tensor as <see cref="Output"/>.</summary>
    public required DeviceTensor Input { get; init; }

    /// <summary>Rows to process.</summary>
    public required int Rows { get; init; }

    /// <summary>Weights, <c>[outputs, inputs]</c>.</summary>
    public required DeviceMatrix Weight { get; init; }

    /// <summary>Results, <c>[>= Rows, outputs]</c>; half the outputs with a gated epilogue.</summary>
    public required DeviceTensor Output { get; init; }

    /// <summary>Weights of an RMS norm of the input row, or null for none. The input tensor itself stays as it is.</summary>
    public DeviceVector? Norm { get; init; }

    /// <summary>Added to the mean square under the root.</summary>
    public float NormEpsilon { get; init; }

    /// <summary>Added to the products before the epilogue, <c>[outputs]</c>, or null.</summary>
    public DeviceVector? Bias { get; init; }

    /// <summary>What happens to the products.</summary>
    public LinearEpilogue Epilogue { get; init; }

    /// <summary>Factor of <see cref="LinearEpilogue.Store"/> and <see cref="LinearEpilogue.Add"/>; 0 is read as 1.</summary>
    public float Scale { get; init; }

    /// <summary>0, or the cap c of <see cref="LinearEpilogue.Store"/>: <c>output = c * tanh(scale * y / c)</c> (Gemma 2).</summary>
    public float SoftCap { get; init; }
}
