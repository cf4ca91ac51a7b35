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
/// <param name="Allocator">How the budget is divided among heads; null for the policy's own way.</param>
/// <param name="LowFormat">How KVs are stored that matter less; null for all alike.</param>
public sealed record GridCell(
    string Policy, double Retained, KvFormat Format, CompressionQuery Query, CompressionSchedule Schedule, string? Allocator = null, KvFormat? LowFormat = null)
{
    /// <summary>Whether nothing is evicted: the cache that others are compared with, if its format is plain.</summary>
    public bool IsFull => Policy == CompressionPolicies.Off;

    /// <summary>Name in files and reports. What is left to the policy is not in it.</summary>
    public string Key => string.Create(CultureInfo.InvariantCulture,
        $"{Policy}{(Allocator is null ? "" : $"+{Allocator}")}@{Retained:0.######}/{FormatName}/{QueryName}/{ScheduleName}").ToLowerInvariant();

    /// <summary>Name of the allocator that the cell comes to, <c>none</c> for the full cache.</summary>
    public string AllocatorName => Allocators.NameOf(Policy, Allocator);

    /// <summary>Both formats, with a hyphen between.</summary>
    public string FormatName => LowFormat is { } low ? $"{Format}-{low}" : $"{Format}";

    /// <summary><c>known</c> or <c>unknown</c>.</summary>
    public string QueryName => Query == CompressionQuery.Known ? "known" : "unknown";

    /// <summary><c>after</c> or <c>during</c>.</summary>
    public string ScheduleName => Schedule == CompressionSchedule.AfterPrompt ? "after" : "during";

    /// <summary>The setting as a request has it.</summary>
    /// <exception cref="ArgumentException">The runtime lacks the allocator.</exception>
    public KvCompression Compression() => IsFull
        ? KvCompression.Off with { Format = Format, LowFormat = LowFormat }
        : new KvCompression { Policy = Policy, RetainedRatio = Retained, Format = Format, LowFormat = LowFormat, Query = Query, Schedule = Schedule, Allocator = Allocator };

    /// <summary>The cell that a cell is compared with: the full cache in F16.</summary>
    public GridCell Reference() => new(CompressionPolicies.Off, 1, KvFormat.F16, Query, CompressionSchedule.AfterPrompt);

    /// <summary>The full cache of every format and the product of all lists, plain format first; a share of 1 is the full cache.</summary>
    public static IReadOnlyList<GridCell> Product(GridAxes axes)
    {
        ArgumentNullException.ThrowIfNull(axes);
        var cells = new List<GridCell>();
        foreach (CompressionQuery query in axes.Queries)
        {
            foreach (KvFormat format in axes.Formats.Prepend(KvFormat.F16).Distinct())
                cells.Add(new GridCell(CompressionPolicies.Off, 1, format, query, CompressionSchedule.AfterPrompt));
            cells.AddRange(
                from format in axes.Formats
                from low in axes.LowFormats
                from policy in axes.Policies.Where(p => p != CompressionPolicies.Off)
                from allocator in axes.Allocators
                from share in axes.Retained.Where(s => s < 1)
                select new GridCell(policy, share, format, query, axes.Schedule, allocator, low));
        }

        return cells;
    }
}

/// <summary>The lists whose product a grid is.</summary>
public sealed record GridAxes
{
    public IReadOnlyList<string> Policies { get; init; } = [];

    /// <summary>Allocators; null among them is the policy's own.</summary>
    public IReadOnlyList<string?> Allocators { get; init; } = [null];

    public IReadOnlyList<double> Retained { get; init; } = [];

    public IReadOnlyList<KvFormat> Formats { get; init; } = [KvFormat.F16];

    /// <summary>Low formats; null among them is a single format.</summary>
    public IReadOnlyList<KvFormat?> LowFormats { get; init; } = [null];

    public IReadOnlyList<CompressionQuery> Queries { get; init; } = [CompressionQuery.Known];

    public CompressionSchedule Schedule { get; init; }
}
