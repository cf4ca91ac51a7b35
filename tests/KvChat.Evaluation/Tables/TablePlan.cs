using KvChat.Evaluation.Grid;
using KvChat.Evaluation.Tasks;
using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Tables;

/// <summary>A part of the tables: a grid with a folder of its own.</summary>
/// <param name="Name">Name of part and folder.</param>
/// <param name="Title">What it shows.</param>
/// <param name="Settings">What is measured; model and folder are filled in when it runs.</param>
internal sealed record TablePart(string Name, string Title, GridSettings Settings);

/// <summary>What the big tables are made of. Everything is generated here from the seed, so that nothing from outside is needed.</summary>
internal static class TablePlan
{
    private const double Halved = 0.5;

    /// <summary>Questions of a cell; cells that an aim names have <see cref="AimQuestions"/>.</summary>
    private const int Questions = 40, AimQuestions = 200;

    private static readonly double[] s_shares = [1, .. Enumerable.Range(1, 6).Select(i => Math.Pow(Halved, i))];
    private static readonly string[] s_kinds = [TaskNames.LongDoc, TaskNames.Prose];
    private static readonly CompressionQuery[] s_both = [CompressionQuery.Known, CompressionQuery.Unknown];
    private static readonly KvFormat[] s_quantized = [KvFormat.K8V8, KvFormat.K8V4, KvFormat.K4V4, KvFormat.K4V2];

    /// <summary>Policies that need no question to choose well, where the runtime has them.</summary>
    private static readonly string[] s_agnostic = ["kvzip", "kvzip-plus", "expected-attention", "keydiff"];

    /// <summary>The embedded model's parts, those first that aims are about.</summary>
    public static IReadOnlyList<TablePart> Embedded(int seed) =>
    [
        new("aim-known-4k", "Question known, F16", Aim(seed, new GridAxes { Policies = ["kv-compress"], Retained = [1, 1.0 / 8, 1.0 / 16, 1.0 / 64] })),
        new("aim-formats-4k", "Formats alone", Aim(seed, new GridAxes { Retained = [1], Formats = s_quantized })),
        new("aim-both-4k", "Eviction and formats together, question known", Aim(seed, new GridAxes
        {
            Policies = ["kv-compress"], Retained = [0.2, 0.14, 0.1, 0.07], Formats = [KvFormat.K8V4, KvFormat.K4V4], LowFormats = [null, KvFormat.K4V2],
        })),
        new("aim-unknown-4k", "Question unknown, F16", Aim(seed, new GridAxes
        {
            Policies = Known(s_agnostic), Retained = [1, 1.0 / 4, 1.0 / 8], Queries = [CompressionQuery.Unknown],
        })),
        .. from tokens in (int[])[1000, 2000, 4000, 7000]
           from kind in s_kinds
           let name = $"{kind}-{TaskNames.Length(tokens)}"
           select new TablePart(name, $"All policies on {name}", Sets(seed, [kind], [tokens], Questions, new GridAxes { Policies = CompressionPolicies.Names, Retained = s_shares, Queries = s_both })),
        .. from names in (string[][])[[.. Allocators.Names.Where(a => a != Allocators.Preset)]]
           where names.Length > 0
           select new TablePart("allocators-4k", "Allocators under two scorers", Sets(seed, s_kinds, [4000], Questions, new GridAxes
           {
               Policies = Known("kv-compress", "kvzip"), Allocators = names, Retained = [1, 1.0 / 4, 1.0 / 8, 1.0 / 16], Queries = s_both,
           })),
        new("text-4k", "Running text in the model's own language", Sets(seed, [], [], Questions, new GridAxes
        {
            Policies = CompressionPolicies.Names, Retained = [1, 1.0 / 4, 1.0 / 16], Formats = [KvFormat.F16, KvFormat.K8V4, KvFormat.K4V4],
        }) with { TextTokens = 4000, TextPassages = 4 }),
    ];

    /// <summary>The parts of a model that was trained on other texts: answers that contain the value, tasks that it can do at all, and running text.</summary>
    /// <param name="seed">Seed of generated documents.</param>
    /// <param name="textFile">A running text, or null for a generated one.</param>
    public static IReadOnlyList<TablePart> Other(int seed, string? textFile) =>
    [
        .. from tokens in (int[])[1000, 2000]
           let axes = new GridAxes { Policies = CompressionPolicies.Names, Retained = [1, 1.0 / 4, 1.0 / 16], Queries = s_both }
           from part in (IEnumerable<TablePart>)
           [
               .. s_kinds.Append("niah-single").Append("niah-multikey").Select(kind => new TablePart(
                   $"{kind}-{TaskNames.Length(tokens)}", $"All policies on {kind}-{TaskNames.Length(tokens)}, answers that contain the value",
                   Sets(seed, [kind], [tokens], Questions, axes) with { MatchValue = true })),
               new TablePart($"text-{TaskNames.Length(tokens)}", "Running text", Sets(seed, [], [], Questions, axes with { Queries = [CompressionQuery.Unknown] })
                   with { MatchValue = true, TextTokens = tokens, TextPassages = 4, TextFile = textFile }),
           ]
           select part,
    ];

    private static GridSettings Aim(int seed, GridAxes axes) => Sets(seed, s_kinds, [4000], AimQuestions, axes);

    private static GridSettings Sets(int seed, IReadOnlyList<string> tasks, IReadOnlyList<int> lengths, int questions, GridAxes axes) => new()
    {
        Model = "", Output = "", Generate = tasks, Lengths = lengths, Limit = questions, Seed = seed, Axes = axes,
    };

    private static string[] Known(params string[] policies) => [.. policies.Where(CompressionPolicies.Names.Contains)];
}
