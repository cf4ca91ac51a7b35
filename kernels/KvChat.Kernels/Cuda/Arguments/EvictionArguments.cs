using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>A head whose KVs are scored, chosen among and moved: <c>EvictionHead</c> of <c>eviction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EvictionHead
{
    public int First;
    public int Length;
    public int Pages;
    public int Moves;
}

/// <summary>What is left of a head when KVs have gone: <c>EvictionCount</c> of <c>eviction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EvictionCount
{
    public int Pinned;
    public int Kept;
    public int Staying;
    public int Padding;
}

/// <summary><c>EvictionArguments</c> of <c>eviction.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EvictionArguments
{
    public ArenaArguments Arena;
    public nint Heads;
    public nint Pages;
    public nint Marks;
    public nint Scores;
    public nint Keep;
    public nint Counts;
    public nint Moves;
    public int Format;
    public int MarkCount;
    public int Divides;
    public int WindowStart;
    public int WindowEnd;
    public int AddedStart;
    public int AddedEnd;
    public int Sinks;
    public int Newest;
    public int Padding;
}
