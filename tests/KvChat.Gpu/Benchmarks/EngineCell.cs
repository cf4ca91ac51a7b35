using KvChat.Kernels.Quantization;
using KvChat.Runtime.Compression;

namespace KvChat.Gpu.Benchmarks;

/// <summary>A way to compress that is measured.</summary>
/// <param name="Name">What people choose it by.</param>
/// <param name="Compression">The settings.</param>
/// <param name="IsForCodes">Whether it is measured with weights of codes, too.</param>
internal sealed record EngineCell(string Name, KvCompression Compression, bool IsForCodes)
{
    // A ratio of 1 would be the full cache: 1x scores, chooses and moves as every other ratio does, and gives next to nothing away.
    private const double NextToAll = 0.999;

    /// <summary>All of them; the first is what the others are compared with.</summary>
    public static IReadOnlyList<EngineCell> All { get; } =
    [
        new("off", KvCompression.Off, IsForCodes: true),
        new("1x", new KvCompression { RetainedRatio = NextToAll }, IsForCodes: false),
        new("8x", new KvCompression { RetainedRatio = 1.0 / 8 }, IsForCodes: true),
        new("64x", new KvCompression { RetainedRatio = 1.0 / 64 }, IsForCodes: false),
    ];

    /// <summary>Names of all cells.</summary>
    public static string Names { get; } = string.Join(", ", All.Select(cell => cell.Name));

    /// <summary>The cell of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists those that there are.</exception>
    public static EngineCell Parse(string name) => All.FirstOrDefault(cell => cell.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no cell \"{name}\"; there are: {Names}.", nameof(name));

    /// <summary>Whether it is measured with weights of a format.</summary>
    public bool Takes(WeightFormat weights) => IsForCodes || !WeightFormats.IsQuantized(weights);
}
