using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Cuda;

/// <summary>Where things are in a page of one format, in bytes from its start: <c>PageLayout</c> of <c>pages.h</c>, which says how they lie.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PageLayoutArguments
{
    public int Format;
    public int Slots;
    public int KeyBytes;
    public int ValueBytes;
    public int Values;
    public int Scales;
    public int Positions;
    public int Scores;
    public int LogWeights;
    public int Turns;

    /// <summary>Whether keys are turned: <c>TurnFlags</c>.</summary>
    public const int TurnsKeys = 1;

    /// <summary>Whether values are turned.</summary>
    public const int TurnsValues = 2;

    /// <summary>The layout of a format in an arena: keys and values from the start, what belongs to them at the end.</summary>
    public static PageLayoutArguments Of(in KvArenaShape shape, KvFormat format)
    {
        int slots = shape.PageTokens(format), bytes = shape.PageImageBytes();
        int keyBytes = shape.HeadDim * format.KeyBits() / 8, valueBytes = shape.HeadDim * format.ValueBits() / 8;
        int positions = bytes - (slots * shape.MetadataBytes());
        return new PageLayoutArguments
        {
            Format = (int)format,
            Slots = slots,
            KeyBytes = keyBytes,
            ValueBytes = valueBytes,
            Values = slots * keyBytes,
            Scales = positions - (format.IsQuantized() ? slots * 4 * sizeof(ushort) : 0),
            Positions = positions,
            Scores = positions + (slots * sizeof(int)),
            LogWeights = shape.LogWeights ? positions + (slots * (sizeof(int) + sizeof(float))) : -1,
            Turns = (shape.Rotates(format, values: false) ? TurnsKeys : 0) | (shape.Rotates(format, values: true) ? TurnsValues : 0),
        };
    }
}

/// <summary>The layouts of all formats, by <see cref="KvFormat"/>.</summary>
[InlineArray(FormatCount)]
internal struct PageLayoutTable
{
    /// <summary>Number of formats.</summary>
    public const int FormatCount = 7;

    private PageLayoutArguments _first;
}

/// <summary>Which coordinates a rotation of keys and values changes the sign of, a bit each: <c>TurningSigns</c> of <c>turning.h</c>.</summary>
[InlineArray(CudaAttention.LargestHeadDim / 32)]
internal struct TurningSigns
{
    private uint _first;

    /// <summary>The signs of <see cref="Hadamard"/>.</summary>
    public static TurningSigns Standard { get; } = Make();

    private static TurningSigns Make()
    {
        TurningSigns signs = default;
        for (int i = 0; i < CudaAttention.LargestHeadDim; i++)
            signs[i / 32] |= Hadamard.Sign(i) < 0 ? 1u << (i % 32) : 0;
        return signs;
    }
}

/// <summary>All pages of an arena, as kernels see them: <c>Arena</c> of <c>pages.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ArenaArguments
{
    public nint Pages;
    public long Stride;
    public int HeadDim;
    public int Padding;
    public PageLayoutTable Layouts;
    public TurningSigns Signs;

    /// <summary>Bytes from one page to the next: a page's image, rounded up so that wide loads may start there.</summary>
    public static long StrideOf(in KvArenaShape shape) => (shape.PageImageBytes() + 15L) & ~15L;

    /// <summary>The arguments of an arena whose first page is at a device address.</summary>
    public static ArenaArguments Of(in KvArenaShape shape, nint pages)
    {
        ArenaArguments arguments = new() { Pages = pages, Stride = StrideOf(shape), HeadDim = shape.HeadDim, Signs = TurningSigns.Standard };
        for (int i = 0; i < PageLayoutTable.FormatCount; i++)
            arguments.Layouts[i] = PageLayoutArguments.Of(shape, (KvFormat)i);
        return arguments;
    }
}
