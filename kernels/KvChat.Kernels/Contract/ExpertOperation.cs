namespace KvChat.Kernels;

/// <summary>
/// A feed-forward part that chooses among experts: <c>p = softmax(norm(input) Router^T)</c>; each row passes its <see cref="PerRow"/> experts of the greatest
/// p (of equal ones the first), and the output gets <c>scale * sum of p_e * expert_e(norm(input))</c>.
/// </summary>
/// <remarks>
/// A row's experts are added in descending order of p, one multiply-add after another, so that its bits depend on the row alone: neither on which rows share an
/// expert with it nor on how they are grouped.
/// </remarks>
public readonly struct ExpertOperation
{
    /// <summary>Activations, <c>[>= Rows, width]</c>; never the same tensor as <see cref="Output"/>, except with <see cref="Adds"/>.</summary>
    public required DeviceTensor Input { get; init; }

    /// <summary>Rows to process.</summary>
    public required int Rows { get; init; }

    /// <summary>Weights of an RMS norm of the input row, or null for none.</summary>
    public DeviceVector? Norm { get; init; }

    /// <summary>Added to the mean square under the root.</summary>
    public float NormEpsilon { get; init; }

    /// <summary>Projection to a logit per expert, <c>[experts, width]</c>.</summary>
    public required DeviceMatrix Router { get; init; }

    /// <summary>Gate and up of each expert, two parts of <c>[hidden, width]</c>.</summary>
    public required IReadOnlyList<DeviceMatrix> GateUp { get; init; }

    /// <summary>Down of each expert, <c>[width, hidden]</c>.</summary>
    public required IReadOnlyList<DeviceMatrix> Down { get; init; }

    /// <summary>Experts that a row passes, 1 to all.</summary>
    public required int PerRow { get; init; }

    /// <summary>Whether the chosen experts' p are divided by their sum.</summary>
    public bool Normalises { get; init; }

    /// <summary>The gated activation of the experts.</summary>
    public required LinearEpilogue Activation { get; init; }

    /// <summary>Results, <c>[>= Rows, width]</c>.</summary>
    public required DeviceTensor Output { get; init; }

    /// <summary>Whether results are added to the output instead of replacing it.</summary>
    public bool Adds { get; init; }

    /// <summary>Factor of the results; 0 is read as 1.</summary>
    public float Scale { get; init; }
}
