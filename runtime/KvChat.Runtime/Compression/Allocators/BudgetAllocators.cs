namespace KvChat.Runtime.Compression;

/// <summary>All allocators by name: the one place to add another.</summary>
public static class BudgetAllocators
{
    /// <summary>The cheapest pages anywhere in the sequence.</summary>
    public const string Global = "global";

    /// <summary>The same for every head.</summary>
    public const string Uniform = "uniform";

    /// <summary>Less with depth.</summary>
    public const string Pyramid = "pyramid";

    /// <summary>Shared by the heads of a layer.</summary>
    public const string AdaKv = "ada-kv";

    /// <summary>Names that <see cref="KvCompression.Allocator"/> may have.</summary>
    public static IReadOnlyList<string> Names { get; } = [Global, Uniform, Pyramid, AdaKv];

    /// <summary>Makes an allocator; it reuses scratch, so one per thread.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists all.</exception>
    public static IBudgetAllocator Create(string name) => name switch
    {
        Global => new GlobalPageEviction(),
        Uniform => new UniformAllocator(),
        Pyramid => new PyramidAllocator(),
        AdaKv => new AdaKvAllocator(),
        _ => throw new ArgumentException($"There is no allocator '{name}'; there are: {string.Join(", ", Names)}.", nameof(name)),
    };
}
