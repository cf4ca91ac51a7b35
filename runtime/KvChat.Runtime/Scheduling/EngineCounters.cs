using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>What <see cref="EngineStatistics"/> is made of: the loop leaves one after every step, which allocates nothing.</summary>
internal struct EngineCounters
{
    public int TotalPages, FreePages, BytesPerPage, Running, Reading, Preempted, Waiting, Held, Prepared, PeakRunning;
    public long Steps, PromptTokens, CachedTokens, GeneratedTokens, Evicted, Preemptions, PressureCompressions, FullPeriods;
    public CompressionTimes CompressionTimes;
    public bool IsFull;

    public readonly EngineStatistics ToStatistics(bool faulted) => new()
    {
        TotalPages = TotalPages,
        FreePages = FreePages,
        BytesPerPage = BytesPerPage,
        Running = Running,
        Reading = Reading,
        Preempted = Preempted,
        Waiting = Waiting,
        Held = Held,
        Prepared = Prepared,
        PeakRunning = PeakRunning,
        Steps = Steps,
        PromptTokens = PromptTokens,
        CachedPromptTokens = CachedTokens,
        GeneratedTokens = GeneratedTokens,
        KvsEvicted = Evicted,
        Preemptions = Preemptions,
        PressureCompressions = PressureCompressions,
        CompressionTimes = CompressionTimes,
        IsPoolFull = IsFull,
        PoolFullPeriods = FullPeriods,
        IsFaulted = faulted,
    };
}
