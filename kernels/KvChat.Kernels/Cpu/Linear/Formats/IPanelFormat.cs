namespace KvChat.Kernels.Cpu;

/// <summary>How an activation row is quantised for a panel format.</summary>
internal enum ActivationForm
{
    /// <summary>fp32 as it is.</summary>
    Float,

    /// <summary>Blocks of 32 signed bytes with a scale and their sum.</summary>
    Bytes,

    /// <summary>Blocks of 32 signed bytes with a scale and the sums of both halves.</summary>
    ByteHalves,

    /// <summary>Blocks of 32 of the same numbers widened to 16 bits, with a scale.</summary>
    Words,
}

/// <summary>
/// Quantised weights of 16 rows, interleaved: a vector of 64 bytes holds four neighbouring columns (a group) of each of the 16 rows, so that
/// four activations, broadcast, meet all rows, and no sum ever crosses lanes. A block has 32 columns, 8 groups. A weight is
/// <c>scale * (code - Offset) + minimum</c>.
/// </summary>
/// <remarks>Narrower vectors see the same bytes in slices of rows; "lane" below is the first row of a slice.</remarks>
internal unsafe interface IPanelFormat
{
    /// <summary>Blocks under one header: 1 or 8.</summary>
    static abstract int SuperBlocks { get; }

    /// <summary>Bytes of the header.</summary>
    static abstract int HeaderBytes { get; }

    /// <summary>Bytes of a block of 32 columns and 16 rows.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>Whether weights have a minimum.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>Whether each half of a block has its own scale.</summary>
    static abstract bool Halves { get; }

    /// <summary>Whether codes are signed bytes up to 8 bits; otherwise they are unsigned.</summary>
    static abstract bool Signed { get; }

    /// <summary>Largest unsigned code: how many products of pairs fit into 16 bits follows from it.</summary>
    static abstract int MaxCode { get; }

    /// <summary>What is taken from unsigned codes: 0, 8, 16 or 32.</summary>
    static abstract int Offset { get; }

    /// <summary>The codes of a group: a byte each. <paramref name="block"/> is moved to the slice's first row already.</summary>
    static abstract TInt Codes<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    /// <summary>The header's factor of scales.</summary>
    static abstract TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    /// <summary>The header's factor of minima.</summary>
    static abstract TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    /// <summary>The scales of a block or half of a block.</summary>
    static abstract TFloat Scale<TSimd, TInt, TFloat>(byte* block, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    /// <summary>The minima of a block or half of a block.</summary>
    static abstract TFloat Minimum<TSimd, TInt, TFloat>(byte* block, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    /// <summary>One weight's code, without offset.</summary>
    static abstract int CodeAt(byte* block, int row, int column);

    /// <summary>One row's scale.</summary>
    static abstract float ScaleAt(byte* header, byte* block, int row, int half);

    /// <summary>One row's minimum.</summary>
    static abstract float MinimumAt(byte* header, byte* block, int row, int half);

    /// <summary>Bytes of the file's block that <see cref="Pack"/> reads.</summary>
    static abstract int SourceBytes { get; }

    /// <summary>Writes a row's weights of a file's block, or of a whole header's blocks, into the panel.</summary>
    /// <param name="source">A block of the file's format: 32 weights, or 256 where there is a header.</param>
    /// <param name="header">Header; blocks follow it.</param>
    /// <param name="row">0 to 15.</param>
    static abstract void Pack(byte* source, byte* header, int row);
}
