using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>The rows of one sequence: <c>Sequence</c> of <c>batch.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SequenceArguments
{
    public const int Squared = 1, Largest = 2, AveragePool = 4, LongRotary = 8, LargestOfGroup = 16;

    public int FirstRow;
    public int RowCount;
    public int Format;
    public int LowFormat;
    public int Observation;
    public int ObservedRows;
    public int PoolWidth;
    public int Flags;
}

/// <summary>Where a head's pages are in the list of page ids: <c>Head</c> of <c>batch.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct HeadArguments
{
    public int Pages;
    public int Length;
    public int LowPages;
    public int LowLength;
}

/// <summary>Addresses of a batch's parts: <c>Batch</c> of <c>batch.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BatchArguments
{
    public nint Sequences;
    public nint Heads;
    public nint Positions;
    public nint RowSequences;
    public nint Pages;
    public nint RowWeights;
}

/// <summary><c>AppendArguments</c> of <c>append.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AppendArguments
{
    public ArenaArguments Arena;
    public BatchArguments Batch;
    public nint Rows;
    public nint QueryNorm;
    public nint KeyNorm;
    public nint Reciprocals;
    public nint Angles;
    public nint LongAngles;
    public long RowStride;
    public int FirstRow;
    public int QueryHeads;
    public int KvHeads;
    public int Pairs;
    public int LongPairs;
    public int QueryNormHeads;
    public int KeyNormHeads;
    public float Epsilon;
}

/// <summary>Queries of one KV head and the segments that they look at: <c>AttendItem</c> of <c>attention.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttendItem
{
    public int Sequence;
    public int KvHead;
    public int FirstQuery;
    public int EndQuery;
    public int FirstSegment;
    public int EndSegment;
    public int Records;
    public int RecordSegments;
}

/// <summary><c>AttendArguments</c> of <c>attention.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttendArguments
{
    /// <summary>KVs of a segment.</summary>
    public const int Segment = 256;

    /// <summary>Numbers of a record before its sums.</summary>
    public const int RecordHeader = 4;

    public ArenaArguments Arena;
    public BatchArguments Batch;
    public nint Items;
    public nint Rows;
    public nint Turned;
    public nint Output;
    public nint Records;
    public nint Statistics;
    public long RowStride;
    public long OutputStride;
    public int FirstItem;
    public int QueryHeads;
    public int KvHeads;
    public int Group;
    public int RecordSize;
    public int SlidingWindow;
    public float Factor;
    public float Cap;
}

/// <summary>KVs of one end whose scores are made: <c>ScoreItem</c> of <c>scores.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ScoreItem
{
    public int Sequence;
    public int KvHead;
    public int IsLow;
    public int First;
    public int Sums;
    public int SumStride;
}

/// <summary><c>ScoreArguments</c> of <c>scores.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ScoreArguments
{
    public AttendArguments Attend;
    public nint Items;
    public nint Sums;
    public int Run;
    public int Padding;
}
