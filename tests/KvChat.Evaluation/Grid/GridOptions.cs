using System.CommandLine;
using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>The options that span a grid, for every command that runs one.</summary>
internal sealed class GridOptions
{
    private readonly Option<string[]> _policy = new("--policy")
    {
        CustomParser = r => OptionValues.Words(r, "--policy", CompressionPolicies.Names), DefaultValueFactory = _ => ["kv-compress"],
        Description = $"policies, with commas between: {string.Join(", ", CompressionPolicies.Names)}; or all",
    };

    private readonly Option<string[]> _allocator = new("--allocator")
    {
        CustomParser = r => OptionValues.Words(r, "--allocator", Allocators.Names), DefaultValueFactory = _ => [Allocators.Preset],
        Description = $"how the budget is divided among heads: {string.Join(", ", Allocators.Names)}; or all",
    };

    private readonly Option<double[]> _retained = new("--retained")
    {
        CustomParser = OptionValues.Shares, DefaultValueFactory = _ => [1, 0.5, 0.25, 0.125], Description = "shares of KVs kept, with commas between; 1 is the full cache",
    };

    private readonly Option<KvFormat[]> _format = new("--format")
    {
        CustomParser = OptionValues.Formats, DefaultValueFactory = _ => [KvFormat.F16], Description = $"formats of KVs: {string.Join(", ", Enum.GetNames<KvFormat>())}",
    };

    private readonly Option<KvFormat?[]> _lowFormat = new("--low-format")
    {
        CustomParser = OptionValues.LowFormats, DefaultValueFactory = _ => [null], Description = "formats of KVs that matter less; none: all alike",
    };

    private readonly Option<string[]> _query = new("--query")
    {
        CustomParser = r => OptionValues.Words(r, "--query", ["known", "unknown"]), DefaultValueFactory = _ => ["known"], Description = "whether the question chooses what is kept: known, unknown, or both",
    };

    private readonly Option<string> _schedule = new("--schedule") { DefaultValueFactory = _ => "after", Description = "compress after the prompt, or during its reading" };

    public GridOptions() => _schedule.AcceptOnlyFromAmong("after", "during");

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_policy, _allocator, _retained, _format, _lowFormat, _query, _schedule])
            command.Options.Add(option);
    }

    public GridAxes Read(ParseResult parsed) => new()
    {
        Policies = parsed.GetValue(_policy)!,
        Allocators = [.. parsed.GetValue(_allocator)!.Select(Allocators.Parse)],
        Retained = parsed.GetValue(_retained)!,
        Formats = parsed.GetValue(_format)!,
        LowFormats = parsed.GetValue(_lowFormat)!,
        Queries = [.. parsed.GetValue(_query)!.Select(q => q == "known" ? CompressionQuery.Known : CompressionQuery.Unknown)],
        Schedule = parsed.GetValue(_schedule) == "after" ? CompressionSchedule.AfterPrompt : CompressionSchedule.WhileReading,
    };
}
