using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>KVs by page and slot, with a record each: <c>KvListArguments</c> of <c>compaction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvListArguments
{
    public ArenaArguments Arena;
    public nint Slots;
    public nint Records;
    public int Format;
    public int Count;
    public int Stride;
    public int RecordBytes;
}

/// <summary>One 4-byte field of the KVs of a list of pages: <c>FieldArguments</c> of <c>compaction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FieldArguments
{
    public nint Pages;
    public long PageStride;
    public nint Table;
    public nint Values;
    public int Offset;
    public int Slots;
    public int Count;
    public int Padding;
}

/// <summary>Keys or values of the KVs of a list of pages: <c>NumberArguments</c> of <c>compaction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NumberArguments
{
    public ArenaArguments Arena;
    public nint Table;
    public nint Numbers;
    public int Format;
    public int First;
    public int Count;
    public int IsValue;
}
