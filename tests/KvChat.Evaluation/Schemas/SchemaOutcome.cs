namespace KvChat.Evaluation.Schemas;

/// <summary>How one schema fared, by the names of MaskBench.</summary>
internal enum SchemaVerdict
{
    /// <summary>It compiled, and every instance was taken or refused as it should be.</summary>
    Passing,

    /// <summary>It was refused with an error that says why.</summary>
    CompileError,

    /// <summary>A valid instance was refused, or following it failed.</summary>
    ValidationError,

    /// <summary>An invalid instance was accepted.</summary>
    InvalidationError,

    /// <summary>Compiling ended in an error that was not meant for users.</summary>
    Crash,

    /// <summary>It took longer than the limit.</summary>
    Timeout,
}

/// <summary>One schema with its instances.</summary>
/// <param name="File">Name of its file.</param>
/// <param name="Verdict">How it fared.</param>
/// <param name="Detail">The error, or which instance was judged wrongly.</param>
/// <param name="FirstMask">Microseconds to compile and to make the first mask; null where it did not compile.</param>
/// <param name="Compile">Of these, microseconds to compile.</param>
/// <param name="Masks">Microseconds for each token: the mask before it and the step over it.</param>
internal sealed record SchemaOutcome(string File, SchemaVerdict Verdict, string? Detail, double? FirstMask, double? Compile, IReadOnlyList<double> Masks);
