using KvChat.Kernels;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat.Requests;

/// <summary>The settings of compression as values in a property bag.</summary>
internal static class CompressionProperties
{
    private static readonly (string, KvFormat)[] Formats = [.. Enum.GetValues<KvFormat>().Select(f => (f.ToString().ToLowerInvariant(), f))];

    private delegate KvCompression Setter(KvCompression settings, string name, object? value);

    private static readonly Dictionary<string, Setter> Setters = new(StringComparer.Ordinal)
    {
        [KvOptionNames.Policy] = static (s, n, v) => s with { Policy = LooseValue.Text(n, v) },
        [KvOptionNames.Allocator] = static (s, n, v) => s with { Allocator = LooseValue.IsNull(v) ? null : LooseValue.Text(n, v) },
        [KvOptionNames.MinQuality] = static (s, n, v) => s with { MinQuality = LooseValue.Number(n, v), RetainedRatio = 1, RetainedKvs = null },
        [KvOptionNames.RetainedRatio] = static (s, n, v) => s with { RetainedRatio = LooseValue.Number(n, v), RetainedKvs = null },
        [KvOptionNames.RetainedKvs] = static (s, n, v) => s with { RetainedKvs = LooseValue.Integer(n, v) },
        [KvOptionNames.Schedule] = static (s, n, v) => s with
        {
            Schedule = LooseValue.Word(
                n, v, ("after", CompressionSchedule.AfterPrompt), ("during", CompressionSchedule.WhileReading),
                ("after_prompt", CompressionSchedule.AfterPrompt), ("while_reading", CompressionSchedule.WhileReading)),
        },
        [KvOptionNames.Query] = static (s, n, v) => s with
        {
            Query = LooseValue.Word(n, v, ("known", CompressionQuery.Known), ("unknown", CompressionQuery.Unknown)),
        },
        [KvOptionNames.Format] = static (s, n, v) => s with { Format = LooseValue.Word(n, v, Formats) },
        [KvOptionNames.LowFormat] = static (s, n, v) => s with { LowFormat = LooseValue.IsNull(v) ? null : LooseValue.Word(n, v, Formats) },
        [KvOptionNames.HighShare] = static (s, n, v) => s with { HighShare = LooseValue.Number(n, v) },
        [KvOptionNames.DropThreshold] = static (s, n, v) => s with { DropThreshold = LooseValue.IsNull(v) ? null : LooseValue.Number(n, v) },
        [KvOptionNames.LowThreshold] = static (s, n, v) => s with { LowThreshold = LooseValue.IsNull(v) ? null : LooseValue.Number(n, v) },
        [KvOptionNames.ObservationWindow] = static (s, n, v) => s with { ObservationWindow = LooseValue.Integer(n, v) },
        [KvOptionNames.PoolWidth] = static (s, n, v) => s with { PoolWidth = LooseValue.IsNull(v) ? null : LooseValue.Integer(n, v) },
        [KvOptionNames.Squared] = static (s, n, v) => s with { Squared = LooseValue.Boolean(n, v) },
        [KvOptionNames.ProtectedTokens] = static (s, n, v) => s with { ProtectedTokens = LooseValue.Integer(n, v) },
        [KvOptionNames.SinkTokens] = static (s, n, v) => s with { SinkTokens = LooseValue.Integer(n, v) },
        [KvOptionNames.ChunkTokens] = static (s, n, v) => s with { ChunkTokens = LooseValue.Integer(n, v) },
        [KvOptionNames.DecodeInterval] = static (s, n, v) => s with { DecodeInterval = LooseValue.Integer(n, v) },
        [KvOptionNames.UnderPressure] = static (s, n, v) => s with { UnderPressure = LooseValue.Boolean(n, v) },
    };

    /// <summary>Names that are read, in the order in which they are applied: a number of KVs goes before a ratio, and a quality beside either is an error.</summary>
    public static IReadOnlyCollection<string> Names => Setters.Keys;

    /// <summary>The settings that a bag asks for.</summary>
    /// <param name="properties">The bag; other names in it are not looked at.</param>
    /// <param name="standard">What holds where nothing is said.</param>
    /// <exception cref="ArgumentException">A value cannot be used.</exception>
    public static KvCompression Read(AdditionalPropertiesDictionary? properties, KvCompression standard)
    {
        if (properties is null)
            return standard;
        KvCompression settings = standard;
        bool saysQuality = false, saysAmount = false, saysPolicy = false, saysThreshold = false;
        foreach ((string name, Setter set) in Setters)
        {
            if (!properties.TryGetValue(name, out object? value) || (LooseValue.IsNull(value) && !NullMeansSomething(name)))
                continue;
            saysPolicy |= name == KvOptionNames.Policy;
            saysQuality |= name == KvOptionNames.MinQuality;
            saysAmount |= name is KvOptionNames.RetainedRatio or KvOptionNames.RetainedKvs;
            saysThreshold |= name is (KvOptionNames.DropThreshold or KvOptionNames.LowThreshold) && !LooseValue.IsNull(value);
            settings = set(settings, name, value);
        }

        // Of the standard goes what says in another way how much is kept.
        if (saysThreshold && !saysAmount && !saysQuality)
            settings = settings with { RetainedRatio = 1, RetainedKvs = null, MinQuality = null };
        else if ((saysAmount || saysQuality) && !saysThreshold)
            settings = settings with { DropThreshold = null, LowThreshold = null };
        if (!saysQuality && (saysAmount || settings.Policy == KvCompression.Off.Policy))
            settings = settings with { MinQuality = null }; // the standard's
        if ((saysQuality || saysAmount) && !saysPolicy && settings.Policy == KvCompression.Off.Policy)
            settings = settings with { Policy = new KvCompression().Policy };
        settings.Validate();
        return settings;
    }

    private static bool NullMeansSomething(string name) =>
        name is KvOptionNames.PoolWidth or KvOptionNames.LowFormat or KvOptionNames.Allocator or KvOptionNames.DropThreshold or KvOptionNames.LowThreshold;

    /// <summary>Writes all settings; a missing number of KVs is taken out, as the ratio then counts.</summary>
    public static void Write(AdditionalPropertiesDictionary properties, KvCompression settings)
    {
        properties[KvOptionNames.Policy] = settings.Policy;
        properties[KvOptionNames.Allocator] = settings.Allocator; // null is a value here: the policy's own
        if (settings.MinQuality is { } quality)
            properties[KvOptionNames.MinQuality] = quality;
        else
            properties.Remove(KvOptionNames.MinQuality);
        properties[KvOptionNames.RetainedRatio] = settings.RetainedRatio;
        if (settings.RetainedKvs is { } kvs)
            properties[KvOptionNames.RetainedKvs] = kvs;
        else
            properties.Remove(KvOptionNames.RetainedKvs);
        properties[KvOptionNames.Schedule] = settings.Schedule == CompressionSchedule.WhileReading ? "during" : "after";
        properties[KvOptionNames.Query] = settings.Query == CompressionQuery.Unknown ? "unknown" : "known";
        properties[KvOptionNames.Format] = Formats.First(f => f.Item2 == settings.Format).Item1;
        properties[KvOptionNames.LowFormat] = settings.LowFormat is { } low ? Formats.First(f => f.Item2 == low).Item1 : null; // null is a value here: all alike
        properties[KvOptionNames.HighShare] = settings.HighShare;
        properties[KvOptionNames.DropThreshold] = settings.DropThreshold;
        properties[KvOptionNames.LowThreshold] = settings.LowThreshold; // null is a value here: no threshold
        properties[KvOptionNames.ObservationWindow] = settings.ObservationWindow;
        properties[KvOptionNames.PoolWidth] = settings.PoolWidth; // null is a value here: the model's own width
        properties[KvOptionNames.Squared] = settings.Squared;
        properties[KvOptionNames.ProtectedTokens] = settings.ProtectedTokens;
        properties[KvOptionNames.SinkTokens] = settings.SinkTokens;
        properties[KvOptionNames.ChunkTokens] = settings.ChunkTokens;
        properties[KvOptionNames.DecodeInterval] = settings.DecodeInterval;
        properties[KvOptionNames.UnderPressure] = settings.UnderPressure;
    }
}
