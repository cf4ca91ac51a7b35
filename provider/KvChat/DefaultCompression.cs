using KvChat.Runtime.Compression;

namespace KvChat;

/// <summary>
/// What is compressed where nothing is set. System prompt, tools and the newest question are pinned by their spans; how far the rest is compressed stands
/// here, per model. An entry belongs in the table only with a measurement: at least 98 % of the questions that the full cache answers right
/// must still be answered right. A model that was never measured keeps its full cache.
/// </summary>
public static class DefaultCompression
{
    /// <summary>
    /// The embedded model: five questions one after another about a document, the first of which chose what was kept. 90 % of the KVs keep all 260 of the answers measured at 2,000 and
    /// 4,000 tokens, 75 % keep 97 % (tests/KvChat.Benchmarks/RESULTS.md, "Later turns").
    /// </summary>
    private static readonly Dictionary<string, KvCompression> Measured = new(StringComparer.OrdinalIgnoreCase)
    {
        ["KvChat Tiny"] = new KvCompression { RetainedRatio = 0.9 },
    };

    /// <summary>The default of a model that is not in the table.</summary>
    public static KvCompression Unmeasured { get; } = KvCompression.Off;

    /// <summary>
    /// The default of documents, whose questions are not known. No setting for them has been measured that keeps 99 % of what the full cache answers, so a document keeps all of
    /// its KVs unless <see cref="KvDocumentOptions.Compression"/> says otherwise.
    /// </summary>
    /// <param name="modelName">The model's own name (<c>general.name</c> of its file).</param>
    public static KvCompression ForDocuments(string modelName)
    {
        ArgumentNullException.ThrowIfNull(modelName);
        return Unmeasured;
    }

    /// <summary>The default of a model.</summary>
    /// <param name="modelName">The model's own name (<c>general.name</c> of its file).</param>
    public static KvCompression For(string modelName)
    {
        ArgumentNullException.ThrowIfNull(modelName);
        return Measured.GetValueOrDefault(modelName, Unmeasured);
    }
}
