using System.CommandLine;
using KvChat.Gpu.Shapes;
using KvChat.Kernels.Quantization;

namespace KvChat.Gpu.Benchmarks;

/// <summary>The command line's part of <see cref="EngineBenchmarkSettings"/>; what is left out is as the shape has it.</summary>
internal static class EngineBenchmarkOptions
{
    private static readonly Option<int?> Requests = new("--requests") { Description = "engine: requests at once (64; tiny: 6)" };
    private static readonly Option<int?> Prompt = new("--prompt") { Description = "engine: tokens of a prompt (6000; tiny: 160)" };
    private static readonly Option<int?> Answer = new("--answer") { Description = "engine: tokens of an answer, 2 or more (500; tiny: 12)" };
    private static readonly Option<int?> StepTokens = new("--step-tokens") { Description = "engine: most rows of a step, 16 or more (512; tiny: 64)" };
    private static readonly Option<string?> Cells = new("--cells") { Description = $"engine: which of {EngineCell.Names}; weights of codes have off and 8x alone" };
    private static readonly Option<string?> Memory = new("--memory") { Description = "engine: KV memory, in uncompressed requests that it holds (3,25; tiny: 3)" };
    private static readonly Option<string?> Weights = new("--weights") { Description = "engine: which of f16, q4_k" };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [Requests, Prompt, Answer, StepTokens, Cells, Memory, Weights];

    /// <summary>What was asked for.</summary>
    /// <exception cref="ArgumentException">Something is out of its range; the message names it.</exception>
    public static EngineBenchmarkSettings Read(ParseResult parsed, ModelShape shape)
    {
        EngineBenchmarkSettings all = EngineBenchmarkSettings.For(shape);
        return all with
        {
            Requests = AtLeast(1, Requests, parsed) ?? all.Requests,
            Prompt = AtLeast(1, Prompt, parsed) ?? all.Prompt,
            Answer = AtLeast(2, Answer, parsed) ?? all.Answer,
            StepTokens = AtLeast(16, StepTokens, parsed) ?? all.StepTokens,
            Cells = List(Cells, parsed, EngineCell.Parse) ?? all.Cells,
            Memories = List(Memory, parsed, ParseMemory) ?? all.Memories,
            Weights = List(Weights, parsed, ParseWeights) ?? all.Weights,
        };
    }

    private static int? AtLeast(int least, Option<int?> option, ParseResult parsed) =>
        parsed.GetValue(option) is { } value && value < least ? throw new ArgumentException($"{option.Name} is {value}; it must be {least} or more.", nameof(parsed)) : parsed.GetValue(option);

    private static T[]? List<T>(Option<string?> option, ParseResult parsed, Func<string, T> parse) =>
        parsed.GetValue(option)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(parse).Distinct().ToArray() switch
        {
            [] => throw new ArgumentException($"{option.Name} names nothing.", nameof(parsed)),
            { } list => list,
            null => null,
        };

    private static int ParseMemory(string text) => int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out int requests) && requests > 0
        ? requests : throw new ArgumentException($"{Memory.Name} has \"{text}\"; it takes numbers of requests, 1 or more.", nameof(text));

    private static WeightFormat ParseWeights(string text) => text.ToUpperInvariant() switch
    {
        "F16" => WeightFormat.F16,
        "Q4_K" => WeightFormat.Q4_K,
        _ => throw new ArgumentException($"{Weights.Name} has \"{text}\"; there are: f16, q4_k.", nameof(text)),
    };
}
