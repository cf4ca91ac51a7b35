namespace KvChat.Kernels;

/// <summary>
/// <c>output += scale * norm(input)</c> over the first <see cref="Rows"/> rows, with an RMS norm per row: the residual connection of families that
/// normalise what a layer's part adds.
/// </summary>
public readonly struct NormOperation
{
    /// <summary>What is normalised, <c>[>= Rows, columns]</c>; its contents are lost.</summary>
    public required DeviceTensor Input { get; init; }

    /// <summary>Rows to process.</summary>
    public required int Rows { get; init; }

    /// <summary>Weights of the norm, <c>[columns]</c>.</summary>
    public required DeviceVector Norm { get; init; }

    /// <summary>Added to the mean square under the root.</summary>
    public float NormEpsilon { get; init; }

    /// <summary>The residual stream, <c>[>= Rows, columns]</c>; never the same tensor as <see cref="Input"/>.</summary>
    public required DeviceTensor Output { get; init; }

    /// <summary>Factor of what is added; 0 is read as 1.</summary>
    public float Scale { get; init; }
}
