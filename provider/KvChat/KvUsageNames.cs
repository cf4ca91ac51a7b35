namespace KvChat;

/// <summary>Names of the counts that this client adds to <c>UsageDetails.AdditionalCounts</c>.</summary>
public static class KvUsageNames
{
    /// <summary>See <see cref="KvUsage.Seen"/>.</summary>
    public const string Seen = "kv_seen";

    /// <summary>See <see cref="KvUsage.Kept"/>.</summary>
    public const string Kept = "kv_kept";

    /// <summary>See <see cref="KvUsage.Evicted"/>.</summary>
    public const string Evicted = "kv_evicted";

    /// <summary>See <see cref="KvUsage.KeptAtAnswer"/>.</summary>
    public const string KeptAtAnswer = "kv_kept_at_answer";

    /// <summary>See <see cref="KvUsage.Bytes"/>.</summary>
    public const string Bytes = "kv_bytes";

    /// <summary>See <see cref="KvUsage.BytesAtAnswer"/>.</summary>
    public const string BytesAtAnswer = "kv_bytes_at_answer";

    /// <summary>See <see cref="KvUsage.PeakBytes"/>.</summary>
    public const string PeakBytes = "kv_peak_bytes";

    /// <summary>See <see cref="KvUsage.Preemptions"/>.</summary>
    public const string Preemptions = "kv_preemptions";

    /// <summary>See <see cref="KvUsage.DocumentTokensRead"/>.</summary>
    public const string DocumentTokensRead = "kv_document_tokens_read";

    /// <summary>See <see cref="KvUsage.PressureCompressions"/>.</summary>
    public const string PressureCompressions = "kv_pressure_compressions";

    /// <summary>1 where <see cref="KvUsage.IsQualityUnmeasured"/> holds, else 0.</summary>
    public const string QualityUnmeasured = "kv_quality_unmeasured";
}
