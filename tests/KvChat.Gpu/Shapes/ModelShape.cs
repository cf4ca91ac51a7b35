using KvChat.Kernels.Quantization;
using KvChat.Runtime.Transformer;

namespace KvChat.Gpu.Shapes;

/// <summary>The sizes of a llama and the form of its weights, without the weights themselves: speed hangs on nothing else.</summary>
internal sealed record ModelShape
{
    // The tiny one has rows that are whole blocks of every format and groups of four queries, as the large ones have; the emulator runs it in seconds.
    private static readonly ModelShape[] All =
    [
        new() { Name = "llama-3-8b", Layers = 32, Width = 4096, HiddenWidth = 14336, QueryHeads = 32, KvHeads = 8, HeadDim = 128, VocabularySize = 128_256 },
        new() { Name = "llama-3.2-1b", Layers = 16, Width = 2048, HiddenWidth = 8192, QueryHeads = 32, KvHeads = 8, HeadDim = 64, VocabularySize = 128_256, SharesEmbedding = true },
        new() { Name = "tiny", Layers = 2, Width = 256, HiddenWidth = 256, QueryHeads = 8, KvHeads = 2, HeadDim = 32, VocabularySize = 256 },
    ];

    /// <summary>What people call it.</summary>
    public required string Name { get; init; }

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Numbers in the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Numbers in the hidden layer of the feed-forward part.</summary>
    public required int HiddenWidth { get; init; }

    /// <summary>Query heads.</summary>
    public required int QueryHeads { get; init; }

    /// <summary>KV heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Numbers in a query, key or value of one head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Number of tokens.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Whether the output head is the embedding.</summary>
    public bool SharesEmbedding { get; init; }

    /// <summary>Format of all matrices: <see cref="WeightFormat.F16"/> or <see cref="WeightFormat.Q4_K"/>.</summary>
    public WeightFormat Weights { get; init; } = WeightFormat.F16;

    /// <summary>Names of all shapes.</summary>
    public static string Names { get; } = string.Join(", ", All.Select(shape => shape.Name));

    /// <summary>Whether the emulator is fast enough for it.</summary>
    public bool IsTiny => Name == "tiny";

    /// <summary>Numbers in a row of queries, keys and values.</summary>
    public int QueryKeyValueWidth => (QueryHeads + (2 * KvHeads)) * HeadDim;

    /// <summary>The shape of that name, or null.</summary>
    public static ModelShape? Find(string name) => All.FirstOrDefault(shape => shape.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The shape of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists those that there are.</exception>
    public static ModelShape Parse(string name) => Find(name) ?? throw new ArgumentException($"There is no shape \"{name}\"; there are: {Names}.", nameof(name));

    /// <summary>The shape as the runtime takes it.</summary>
    /// <param name="contextTokens">Longest sequence.</param>
    public TransformerConfiguration ToConfiguration(int contextTokens) => new()
    {
        Architecture = "llama",
        PerLayer = LayerConfiguration.Alike(Layers),
        Width = Width,
        HiddenWidth = HiddenWidth,
        QueryHeads = QueryHeads,
        KvHeads = KvHeads,
        HeadDim = HeadDim,
        VocabularySize = VocabularySize,
        ContextLength = contextTokens,
        NormEpsilon = 1e-5f,
        Rotaries = [new RotaryConfiguration { Dimensions = HeadDim, Base = 500_000 }],
        AttentionScale = 1 / MathF.Sqrt(HeadDim),
    };
}
