using System.CommandLine;
using KvChat.Gpu.Shapes;
using KvChat.Kernels.Quantization;

namespace KvChat.Gpu.Benchmarks;

/// <summary>The command line's part of <see cref="EngineBenchmarkSettings"/>; what is left out is as the shape has it.</summary>
internal static class EngineBenchmarkOptions
{
    private const string Part = "engine";

    private static readonly Option<int?> Requests = Count("--requests", 1, "requests at once (64; tiny: 6)");
    private static readonly Option<int?> Prompt = Count("--prompt", 1, "tokens of a prompt (6000; tiny: 160)");
    private static readonly Option<int?> Answer = Count("--answer", 2, "tokens of an answer, 2 or more (500; tiny: 12)");
    private static readonly Option<int?> StepTokens = Count("--step-tokens", 16, "most rows of a step, 16 or more (512; tiny: 64)");
    private static readonly Option<string?> Cells = List("--cells", EngineCell.Parse, $"which of {EngineCell.Names}; weights of codes have off and 8x alone");
    private static readonly Option<string?> Memory = List("--memory", ParseMemory, "KV memory, in uncompressed requests that it holds (3,25; tiny: 3)");
    private static readonly Option<string?> Weights = List("--weights", ParseWeights, "which of f16, q4_k");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Option> All { get; } = [Requests, Prompt, Answer, StepTokens, Cells, Memory, Weights];

    /// <summary>What was asked for, of a command line without errors.</summary>
    public static EngineBenchmarkSettings Read(ParseResult parsed, ModelShape shape)
    {
        EngineBenchmarkSettings all = EngineBenchmarkSettings.For(shape);
        return all with
        {
            Requests = parsed.GetValue(Requests) ?? all.Requests,
            Prompt = parsed.GetValue(Prompt) ?? all.Prompt,
            Answer = parsed.GetValue(Answer) ?? all.Answer,
            StepTokens = parsed.GetValue(StepTokens) ?? all.StepTokens,
            Cells = parsed.GetValue(Cells) is { } cells ? Parse(cells, EngineCell.Parse) : all.Cells,
            Memories = parsed.GetValue(Memory) is { } memories ? Parse(memories, ParseMemory) : all.Memories,
            Weights = parsed.GetValue(Weights) is { } weights ? Parse(weights, ParseWeights) : all.Weights,
        };
    }

    private static Option<int?> Count(string name, int least, string description)
    {
        Option<int?> option = new(name) { Description = $"{Part}: {description}" };
        option.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int?>() is { } value && value < least)
                r.AddError($"{name} is {value}; it must be {least} or more.");
        });
        return option;
    }

    private static Option<string?> List<T>(string name, Func<string, T> parse, string description)
    {
        Option<string?> option = new(name) { Description = $"{Part}: {description}" };
        option.Validators.Add(r =>
        {
            try
            {
                if (r.GetValueOrDefault<string?>() is { } text && Parse(text, parse).Length == 0)
                    r.AddError($"{name} names nothing.");
            }
            catch (ArgumentException wrong)
            {
                r.AddError($"{name}: {wrong.Message}");
            }
        });
        return option;
    }

    private static T[] Parse<T>(string list, Func<string, T> parse) => [.. list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(parse).Distinct()];

    private static int ParseMemory(string text) => int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out int requests) && requests > 0
        ? requests : throw new ArgumentException($"\"{text}\" is no number of requests, 1 or more.", nameof(text));

    private static WeightFormat ParseWeights(string text) => text.ToUpperInvariant() switch
    {
        "F16" => WeightFormat.F16,
        "Q4_K" => WeightFormat.Q4_K,
        _ => throw new ArgumentException($"There is no form of weights \"{text}\"; there are: f16, q4_k.", nameof(text)),
    };
}
