namespace KvChat.Gpu.Benchmarks;

/// <summary>How much is measured of the kernels: what RESULTS.md reports, or as little as shows that all of it runs.</summary>
internal sealed record BenchmarkScale
{
    /// <summary>What a GPU is measured with.</summary>
    public static BenchmarkScale Full { get; } = new()
    {
        CopyBytes = 2L << 30,
        ColdBytes = 512L << 20,
        SpacerBytes = 256L << 20,
        WarmUps = 5,
        Rounds = 9,
        Batches = [1, 8, 32, 128],
        Contexts = [2048, 8192, 32768],
        PromptRows = [2048, 8192],
        ChunkRows = 512,
        ChunkContext = 8192,
        DecodeRows = [1, 8, 32],
        PrefillRows = 2048,
        EvictionSequences = 32,
        EvictionTokens = 8192,
        StepContexts = [2048, 8192],
        Steps = 33,
    };

    /// <summary>What the emulator gets done in seconds.</summary>
    public static BenchmarkScale Small { get; } = new()
    {
        CopyBytes = 1 << 20,
        ColdBytes = 16 << 10,
        SpacerBytes = 4 << 10,
        WarmUps = 3,
        Rounds = 1,
        Batches = [1, 3],
        Contexts = [70],
        PromptRows = [48],
        ChunkRows = 16,
        ChunkContext = 64,
        DecodeRows = [1],
        PrefillRows = 40,
        EvictionSequences = 3,
        EvictionTokens = 512,
        StepContexts = [40],
        Steps = 5,
    };

    /// <summary>Bytes that are copied to learn the bandwidth.</summary>
    public required long CopyBytes { get; init; }

    /// <summary>Bytes that a round goes through, so that caches do not hold them from one round to the next: an H100 has 50 MB of them.</summary>
    public required long ColdBytes { get; init; }

    /// <summary>Bytes that are cleared before a round: the device is busy with them until the host has handed over the round.</summary>
    public required long SpacerBytes { get; init; }

    /// <summary>Rounds that are not timed.</summary>
    public required int WarmUps { get; init; }

    /// <summary>Rounds whose median counts.</summary>
    public required int Rounds { get; init; }

    /// <summary>Sequences in a decode step.</summary>
    public required int[] Batches { get; init; }

    /// <summary>KVs of a head, on average.</summary>
    public required int[] Contexts { get; init; }

    /// <summary>Rows of prompts that are read at once.</summary>
    public required int[] PromptRows { get; init; }

    /// <summary>Rows of a chunk behind <see cref="ChunkContext"/> KVs.</summary>
    public required int ChunkRows { get; init; }

    /// <summary>KVs before the chunk.</summary>
    public required int ChunkContext { get; init; }

    /// <summary>Rows of decode steps that weights are multiplied with.</summary>
    public required int[] DecodeRows { get; init; }

    /// <summary>Rows of a prompt that weights are multiplied with.</summary>
    public required int PrefillRows { get; init; }

    /// <summary>Sequences that are compressed.</summary>
    public required int EvictionSequences { get; init; }

    /// <summary>KVs of each of their heads before.</summary>
    public required int EvictionTokens { get; init; }

    /// <summary>KVs of a head in the decode steps of the whole model.</summary>
    public required int[] StepContexts { get; init; }

    /// <summary>Decode steps, of which the median counts.</summary>
    public required int Steps { get; init; }
}
