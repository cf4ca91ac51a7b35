namespace KvChat.Runtime.Compression;

/// <summary>A named choice of scorer and allocator. Format and schedule are the request's own choices, and it may name another allocator.</summary>
/// <param name="Name">Name in <see cref="KvCompression.Policy"/>.</param>
/// <param name="Scorer">How KVs get their scores.</param>
/// <param name="Allocator">Name of the allocator, one of <see cref="BudgetAllocators.Names"/>.</param>
public sealed record CompressionPolicy(string Name, IKvScorer Scorer, string Allocator);

/// <summary>All policies by name: the one place to add another.</summary>
public static class CompressionPolicies
{
    /// <summary>Name of the full cache, which is no policy.</summary>
    public const string Off = "off";

    /// <summary>Name of the policy that holds where none is named.</summary>
    public const string Standard = "kv-compress";

    private static readonly CompressionPolicy[] All =
    [
        new(Standard, new AttentionScorer(), BudgetAllocators.Global),
        new("leankv", new LeanKvScorer(), BudgetAllocators.Global),
        new("kvzip", new RepeatScorer(), BudgetAllocators.Global),
        new("kvzip-plus", new RepeatScorer(weighsValues: true), BudgetAllocators.AdaKv),
        new("expected-attention", new ExpectedAttentionScorer(), BudgetAllocators.AdaKv),
        new("keydiff", new KeyDiffScorer(), BudgetAllocators.Uniform),
        new("snapkv", new SnapKvScorer(), BudgetAllocators.Uniform),
        new("ada-snapkv", new SnapKvScorer(), BudgetAllocators.AdaKv),
        new("pyramidkv", new SnapKvScorer(), BudgetAllocators.Pyramid),
        new("h2o", new RunningSumScorer(), BudgetAllocators.Uniform),
        new("tova", new LastQueryScorer(), BudgetAllocators.Uniform),
        new("streaming", new RecencyScorer(), BudgetAllocators.Uniform),
        new("knorm", new KeyNormScorer(), BudgetAllocators.Uniform),
        new("random", new RandomScorer(), BudgetAllocators.Uniform),
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
