namespace KvChat.Kernels.Cuda;

/// <summary>Which kernel a sequence's attention runs on.</summary>
internal enum AttendKind
{
    /// <summary>A warp per query, in single precision.</summary>
    Plain,
}

/// <summary>Facts about kinds.</summary>
internal static class AttendKinds
{
    /// <summary>All kinds.</summary>
    public static ReadOnlySpan<AttendKind> All => [AttendKind.Plain];

    /// <summary>The kind of a sequence's rows.</summary>
    public static AttendKind Of(in SequenceSlice slice, int group) => AttendKind.Plain;

    /// <summary>Entry of a kind, and the sizes of its blocks.</summary>
    public static string Kernel(this AttendKind kind, int headDim, out int threads, out int sharedBytes)
    {
        threads = 128;
        sharedBytes = 0;
        return "kv_attend_plain";
    }

    /// <summary>Queries of an item.</summary>
    public static int Queries(this AttendKind kind) => 16;
}
