namespace KvChat.Runtime.Compression;

/// <summary>A named choice of scorer and allocator. Format and schedule are the request's own choices.</summary>
/// <param name="Name">Name in <see cref="KvCompression.Policy"/>.</param>
/// <param name="Scorer">How KVs get their scores.</param>
/// <param name="CreateAllocator">Makes the allocator, once per thread, because it reuses scratch.</param>
public sealed record CompressionPolicy(string Name, IKvScorer Scorer, Func<IBudgetAllocator> CreateAllocator);

/// <summary>All policies by name: the one place to add another.</summary>
public static class CompressionPolicies
{
    /// <summary>Name of the full cache, which is no policy.</summary>
    public const string Off = "off";

    /// <summary>Name of the policy that holds where none is named.</summary>
    public const string Standard = "kv-compress";

    private static readonly CompressionPolicy[] All =
    [
        new(Standard, new AttentionScorer(), () => new GlobalPageEviction()),
        new("kvzip", new RepeatScorer(), () => new GlobalPageEviction()),
        new("keydiff", new KeyDiffScorer(), () => new UniformAllocator()),
        new("snapkv", new SnapKvScorer(), () => new UniformAllocator()),
        new("ada-snapkv", new SnapKvScorer(), () => new AdaKvAllocator()),
        new("pyramidkv", new SnapKvScorer(), () => new PyramidAllocator()),
        new("h2o", new RunningSumScorer(), () => new UniformAllocator()),
        new("tova", new LastQueryScorer(), () => new UniformAllocator()),
        new("streaming", new RecencyScorer(), () => new UniformAllocator()),
        new("knorm", new KeyNormScorer(), () => new UniformAllocator()),
        new("random", new RandomScorer(), () => new UniformAllocator()),
    ];

    /// <summary>Names that <see cref="KvCompression.Policy"/> may have.</summary>
    public static IReadOnlyList<string> Names { get; } = [Off, .. All.Select(policy => policy.Name)];

    /// <summary>The policy of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists all.</exception>
    public static CompressionPolicy Get(string name)
    {
        foreach (CompressionPolicy policy in All)
        {
            if (policy.Name == name)
                return policy;
        }

        throw new ArgumentException($"There is no compression policy '{name}'; there are: {string.Join(", ", All.Select(policy => policy.Name))}.", nameof(name));
    }
}
