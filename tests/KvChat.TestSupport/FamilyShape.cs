namespace KvChat.TestSupport;

/// <summary>How large a random model of a family is.</summary>
public sealed record FamilyShape
{
    /// <summary>About 100 million parameters, those of the tied embedding included, in the proportions of published models of that size.</summary>
    public static FamilyShape Hundred { get; } = new()
    {
        Width = 768, Layers = 12, Heads = 12, KvHeads = 4, HeadDim = 64, Hidden = 2048, Vocabulary = 32_000, Context = 4096, Window = 512, Experts = 8, ExpertsPerToken = 2,
    };

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>KV heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Dimensions of a head; heads together may be wider or narrower than <see cref="Width"/>.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Width of the feed-forward part; in a family with experts that of all of a token's experts together.</summary>
    public required int Hidden { get; init; }

    /// <summary>Number of tokens.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Longest sequence.</summary>
    public required int Context { get; init; }

    /// <summary>Sliding window of the families that have one.</summary>
    public int Window { get; init; } = 64;

    /// <summary>Experts of the families that have them.</summary>
    public int Experts { get; init; } = 4;

    /// <summary>Experts that a token goes through; each is <see cref="Hidden"/> over this wide.</summary>
    public int ExpertsPerToken { get; init; } = 2;

    /// <summary>Of the weights.</summary>
    public int Seed { get; init; } = 1;
}
