using KvChat.Evaluation.Tasks;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>A grid of a minute on the embedded model, with floors: a change that costs quality fails here.</summary>
internal static class QuickGrid
{
    private static readonly (string Set, string Cell, double Floor)[] s_floors =
    [
        ("longdoc-1k", "off@1/f16/known/after", 1),
        ("longdoc-1k", "kv-compress@0.25/f16/known/after", 0.95),
        ("longdoc-1k", "kv-compress@0.125/f16/known/after", 0.9),
        ("prose-2k", "kv-compress@0.25/f16/known/after", 0.95),
        ("prose-2k", "kv-compress@0.125/f16/known/after", 0.95),
        ("prose-2k", "leankv@0.25/f16/known/after", 0.95),
        ("prose-2k", "kvzip@0.25/f16/unknown/after", 0.95), // a document compressed before anybody asked
    ];

    public static GridSettings Settings(GridSettings given) => given with
    {
        Model = KvCompressChatOptions.EmbeddedModel,
        Questions = [],
        Data = null,
        Generate = [TaskNames.LongDoc, TaskNames.Prose],
        Lengths = [1000, 2000],
        Axes = new GridAxes { Policies = ["kv-compress", "kvzip", "leankv"], Retained = [0.25, 0.125], Queries = [CompressionQuery.Known, CompressionQuery.Unknown] },
        Table = null,
        Limit = 20,
        Seed = 1,
        MatchValue = false,
    };

    /// <summary>A line for every floor that is missed; a cell that was not measured misses its floor.</summary>
    public static IReadOnlyList<string> Missed(IReadOnlyList<GridRow> rows)
    {
        var missed = new List<string>();
        foreach ((string set, string cell, double floor) in s_floors)
        {
            GridRow? row = rows.FirstOrDefault(r => r.Set == set && r.Cell.Key == cell);
            if (row?.OfFull is not { } kept)
                missed.Add($"{set}, {cell}: not measured; its floor is {floor:P0}.");
            else if (kept < floor)
                missed.Add($"{set}, {cell}: {kept:P1} of the full cache's right answers; the floor is {floor:P0}.");
        }

        return missed;
    }
}
