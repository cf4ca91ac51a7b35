using System.Globalization;
using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>One setting of the grid.</summary>
/// <param name="Policy">Preset, or <c>off</c>.</param>
/// <param name="Retained">Share of KVs kept; 1 with the full cache.</param>
/// <param name="Format">How KVs are stored.</param>
/// <param name="Query">Whether the question is known when the document is compressed.</param>
/// <param name="Schedule">Compressed after the prompt or while it is read.</param>
public sealed record GridCell(string Policy, double Retained, KvFormat Format, CompressionQuery Query, CompressionSchedule Schedule)
{
    /// <summary>Whether nothing is evicted: the cache that others are compared with, if its format is plain.</summary>
    public bool IsFull => Policy == CompressionPolicies.Off;

    /// <summary>Name in files and reports.</summary>
    public string Key => string.Create(CultureInfo.InvariantCulture,
        $"{Policy}@{Retained:0.######}/{Format}/{(Query == CompressionQuery.Known ? "known" : "unknown")}/{(Schedule == CompressionSchedule.AfterPrompt ? "after" : "during")}").ToLowerInvariant();

    /// <summary>The setting as a request has it.</summary>
    public KvCompression Compression() => IsFull
        ? KvCompression.Off with { Format = Format }
        : new KvCompression { Policy = Policy, RetainedRatio = Retained, Format = Format, Query = Query, Schedule = Schedule };

    /// <summary>The full cache of every format and the product of all lists, plain format first; a share of 1 is the full cache.</summary>
    public static IReadOnlyList<GridCell> Product(
        IReadOnlyList<string> policies, IReadOnlyList<double> retained, IReadOnlyList<KvFormat> formats, IReadOnlyList<CompressionQuery> queries, CompressionSchedule schedule)
    {
        var cells = new List<GridCell>();
        foreach (CompressionQuery query in queries)
        {
            foreach (KvFormat format in formats.Prepend(KvFormat.F16).Distinct())
                cells.Add(new GridCell(CompressionPolicies.Off, 1, format, query, CompressionSchedule.AfterPrompt));
            cells.AddRange(
                from format in formats
                from policy in policies.Where(p => p != CompressionPolicies.Off)
                from share in retained.Where(s => s < 1)
                select new GridCell(policy, share, format, query, schedule));
        }

        return cells;
    }
}
