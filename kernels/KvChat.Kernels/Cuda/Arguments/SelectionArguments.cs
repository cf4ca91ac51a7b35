using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>A head's scores and how many of its pages may go: <c>SelectionHead</c> of <c>selection.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SelectionHead
{
    public int First;
    public int Length;
    public int Sequence;
    public int Most;
}

/// <summary>The heads of a sequence and the pages that it shall lose: <c>SelectionSequence</c> of <c>selection.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SelectionSequence
{
    public int FirstHead;
    public int HeadCount;
    public int PageTokens;
    public int ToFree;
}

/// <summary>What kernels of a selection tell each other about a head: <c>SelectionState</c> of <c>selection.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SelectionState
{
    public int Most;
    public uint Below;
    public int Taken;
    public int Padding;
}

/// <summary><c>SelectionArguments</c> of <c>selection.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SelectionArguments
{
    public nint Heads;
    public nint Sequences;
    public nint Scores;
    public nint Keep;
    public nint States;
    public nint Counts;
    public nint Pages;
    public int Level;
    public int Padding;
}

/// <summary>Free pages in a ring: <c>RingState</c> of <c>page_ring.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RingState
{
    public uint First;
    public uint Count;
    public uint TakenFrom;
    public uint Taken;
}

/// <summary><c>RingArguments</c> of <c>page_ring.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RingArguments
{
    public nint Ring;
    public nint State;
    public nint Demands;
    public nint Offsets;
    public nint Pages;
    public uint Capacity;
    public int Count;
}
