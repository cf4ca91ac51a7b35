using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat.Requests;

/// <summary>What a message or a content says about its own KVs.</summary>
internal static class RetentionProperty
{
    public static string Name(KvRetention retention) => retention switch
    {
        KvRetention.Compressible => "compressible",
        KvRetention.Pinned => "pinned",
        KvRetention.Preferred => "preferred",
        KvRetention.Droppable => "droppable",
        _ => throw new ArgumentOutOfRangeException(nameof(retention), retention, "Not a KvRetention."),
    };

    /// <summary>What is said; null for nothing.</summary>
    /// <exception cref="ArgumentException">The value is no retention.</exception>
    public static KvRetention? Read(AdditionalPropertiesDictionary? properties)
    {
        if (properties is null || !properties.TryGetValue(KvOptionNames.Retention, out object? value) || LooseValue.IsNull(value))
            return null;
        return LooseValue.Word(
            KvOptionNames.Retention, value, ("pinned", KvRetention.Pinned), ("preferred", KvRetention.Preferred), ("compressible", KvRetention.Compressible), ("droppable", KvRetention.Droppable));
    }
}
