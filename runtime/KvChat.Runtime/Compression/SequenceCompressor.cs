using System.Diagnostics;
using System.Numerics.Tensors;
using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>What a compression did.</summary>
/// <param name="Kept">KVs of all heads afterwards.</param>
/// <param name="Evicted">KVs that went.</param>
/// <param name="PagesFreed">Pages that the sequence no longer holds.</param>
/// <param name="EffectiveRatio">The ratio asked for, raised to the floor where it lies below: what sinks, protected window and pinned stretches take.</param>
/// <param name="RaisedToFloor">Whether it was raised.</param>
/// <param name="Requantized">KVs that went to the low format.</param>
public readonly record struct CompressionReport(long Kept, long Evicted, int PagesFreed, double EffectiveRatio, bool RaisedToFloor, long Requantized = 0)
{
    /// <summary>What it took.</summary>
    public CompressionTimes Times { get; init; }

    /// <summary>KVs whose scores were looked at; 0 where the budget held everything.</summary>
    public long Considered { get; init; }
}

/// <summary>
/// Compresses sequences to their budgets: reads scores, marks what must stay and what goes first, lets the policy's allocator choose and the
/// cache evict. Scratch is reused between calls: one per engine thread.
/// </summary>
/// <param name="model">What scorers know of the model; null where none of the policies in use asks for anything.</param>
public sealed class SequenceCompressor(ScoringModel? model = null)
{
    private readonly ScoringModel _model = model ?? new ScoringModel(null);
    private readonly Dictionary<string, IBudgetAllocator> _allocators = [];
    private float[] _scores = [];
    private bool[] _keep = [];
    private int[] _positions = [];
    private int[] _lengths = [];
    private readonly MixedSelection _mixed = new();
    private readonly ThresholdSelection _thresholds = new();
    private readonly DeviceEviction _device = new();

    /// <summary>Compresses a sequence, or changes nothing.</summary>
    /// <param name="cache">The sequence; a reservation must be made again afterwards.</param>
    /// <param name="settings">The request's settings.</param>
    /// <param name="spans">What the stretches of the prompt are. Sinks and protected window stay whatever a stretch says; where stretches overlap, pinned wins.</param>
    /// <param name="tokensSeen">Tokens that a ratio refers to: while a prompt is read, all of it.</param>
    /// <param name="history">Whose attention is in the scores.</param>
    /// <param name="report">What was done.</param>
    /// <param name="memory">
    /// What the policy's scorer has found out about the sequence's KVs, where it will be asked again while decoding; null where not. A stop of the prompt looks at all of them again.
    /// </param>
    /// <returns>
    /// False, with nothing changed, where the sequence shares pages that it would have to copy and too few are free. That cannot happen after
    /// <see cref="SequenceCache.TryUnshare"/>, which observing asks for anyway.
    /// </returns>
    public bool TryCompress(
        SequenceCache cache, KvCompression settings, IReadOnlyList<PromptSpan> spans, int tokensSeen, ScoreHistory history, out CompressionReport report, ScorerMemory? memory = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(spans);
        ArgumentOutOfRangeException.ThrowIfNegative(tokensSeen);
        cache.ReleaseUnused();
        if (!history.HasAdded)
            memory?.Clear();
        if (settings is { HasThresholds: true, IsOff: false })
            return TryThresholds(cache, settings, spans, tokensSeen, history, out report);
        int heads = cache.KeptPerHead.Count, pageTokens = cache.PageTokens;
        int asked = CompressionBudget.AskedPages(settings, heads, tokensSeen, pageTokens);
        int allowed = CompressionBudget.AllowedPages(settings, heads, tokensSeen, pageTokens);
        long kvsBefore = cache.KvCount, lowBefore = cache.LowKvCount;
        int pagesBefore = cache.PageCount;
        bool done = true;
        CompressionTimes times = default;
        long considered = 0;
        if (!settings.IsOff && pagesBefore > allowed)
        {
            CompressionPolicy policy = CompressionPolicies.Get(settings.Policy);
            long start = Stopwatch.GetTimestamp();
            bool keepsPreferred = PrefersAny(spans) && HasRoom(settings, spans, (long)allowed * pageTokens / heads);
            IBudgetAllocator allocator = AllocatorOf(settings, policy);
            IKvEvictor? evictor = DeviceEviction.Of(cache, policy.Scorer, allocator);
            int floor = evictor is null
                ? ReadScores(cache, policy.Scorer, settings, spans, history, keepsPreferred, memory)
                : _device.Score(evictor, cache, Divides(policy.Scorer, history), spans, keepsPreferred, settings, history);
            long scored = Stopwatch.GetTimestamp(), selected = scored;
            considered = kvsBefore;
            allowed = Math.Max(allowed, floor);
            if (pagesBefore > allowed)
                done = TryApply(cache, allocator, evictor, settings, allowed, out selected);
            times = new CompressionTimes(Stopwatch.GetElapsedTime(start, scored), Stopwatch.GetElapsedTime(scored, selected), Stopwatch.GetElapsedTime(selected));
        }

        report = new CompressionReport(cache.KvCount, kvsBefore - cache.KvCount, pagesBefore - cache.PageCount,
            EffectiveRatio(settings, asked, allowed, CompressionBudget.WholePages(heads, tokensSeen, pageTokens)), allowed > asked, Math.Max(0, cache.LowKvCount - lowBefore)) { Times = times, Considered = considered };
        return done;
    }

    // After a prompt every KV is looked at; while decoding, those that have left the protected window since the last time.
    private bool TryThresholds(SequenceCache cache, KvCompression settings, IReadOnlyList<PromptSpan> spans, int tokensSeen, ScoreHistory history, out CompressionReport report)
    {
        int newest = settings.ProtectedTokens + Math.Max(1, settings.DecodeInterval), pagesBefore = cache.PageCount, considered = 0;
        long kvsBefore = cache.KvCount, lowBefore = cache.LowKvCount, start = Stopwatch.GetTimestamp(), selected;
        bool newestAlone = history.HasAdded && TryReadNewest(cache, settings, spans, tokensSeen, history, newest, out considered);
        if (!newestAlone)
        {
            considered = checked((int)kvsBefore);
            ReadScores(cache, CompressionPolicies.Get(settings.Policy).Scorer, settings, spans, history, PrefersAny(spans), memory: null);
        }

        long scored = Stopwatch.GetTimestamp();
        Span<float> scores = _scores.AsSpan(0, considered);
        bool done = newestAlone
            ? _thresholds.TryApplyNewest(cache, settings, scores, newest, tokensSeen, out selected)
            : _thresholds.TryApply(cache, settings, scores, tokensSeen, out selected);
        int whole = CompressionBudget.WholePages(cache.KeptPerHead.Count, tokensSeen, cache.PageTokens);
        report = new CompressionReport(cache.KvCount, kvsBefore - cache.KvCount, pagesBefore - cache.PageCount, whole == 0 ? 1 : Math.Min(1, (double)cache.PageCount / whole), false,
            Math.Max(0, cache.LowKvCount - lowBefore))
        {
            Times = new CompressionTimes(Stopwatch.GetElapsedTime(start, scored), Stopwatch.GetElapsedTime(scored, selected), Stopwatch.GetElapsedTime(selected)),
            Considered = considered,
        };
        return done;
    }

    // Mean weights of the newest KVs. False where some have gone from among them, as they do under pressure: then the right ends may hold newer ones than these.
    private bool TryReadNewest(SequenceCache cache, KvCompression settings, IReadOnlyList<PromptSpan> spans, int tokensSeen, ScoreHistory history, int newest, out int total)
    {
        total = 0;
        foreach (HeadTable table in cache.Tables)
            total += Math.Min(newest, table.Length);
        ScoreOrder.Room(ref _scores, total);
        bool keepsPreferred = PrefersAny(spans);
        int offset = 0;
        for (int head = 0; head < cache.Tables.Length; head++)
        {
            int layer = head / cache.KvHeads, kvHead = head % cache.KvHeads, count = Math.Min(newest, cache.Tables[head].Length), first = tokensSeen - count;
            if (cache.PositionFromEnd(layer, kvHead, count) != first)
                return false;
            Span<float> scores = _scores.AsSpan(offset, count);
            Span<int> positions = ScoreOrder.Room(ref _positions, count).AsSpan(0, count);
            cache.ReadNewestScores(layer, kvHead, scores);
            for (int i = 0; i < count; i++)
                positions[i] = first + i;
            Divide(scores, positions, history);
            MarkSpans(scores, positions, 0, spans, keepsPreferred);
            scores[..Math.Clamp(settings.SinkTokens - first, 0, count)].Fill(float.PositiveInfinity);
            scores[Math.Max(0, count - settings.ProtectedTokens)..].Fill(float.PositiveInfinity);
            offset += count;
        }

        return true;
    }

    private bool TryApply(SequenceCache cache, IBudgetAllocator allocator, IKvEvictor? evictor, KvCompression settings, int allowed, out long selected)
    {
        int floor = settings.SinkTokens + settings.ProtectedTokens;
        if (cache.LowFormat is not null)
            return _mixed.TryApply(cache, allocator, settings, _scores.AsSpan(0, (int)cache.KvCount), allowed, out selected);
        if (evictor is null)
            return TryEvict(cache, allocator, allowed, floor, out selected);
        _device.Evict(evictor, cache, allowed, floor);
        selected = Stopwatch.GetTimestamp();
        return true;
    }

    private static bool Divides(IKvScorer scorer, ScoreHistory history) => scorer.SumsOverQueries && (history.HasAdded || scorer.IsMean);

    private static double EffectiveRatio(KvCompression settings, int asked, int allowed, int whole)
    {
        if (settings.IsOff || whole == 0)
            return 1;
        return allowed == asked && settings.RetainedKvs is null ? settings.RetainedRatio : Math.Min(1, (double)allowed / whole);
    }

    /// <summary>Reads and marks the scores of all heads; returns the pages that they keep in any case.</summary>
    private int ReadScores(SequenceCache cache, IKvScorer scorer, KvCompression settings, IReadOnlyList<PromptSpan> spans, ScoreHistory history, bool keepsPreferred, ScorerMemory? memory)
    {
        int total = checked((int)cache.KvCount), heads = cache.KeptPerHead.Count;
        ScoreOrder.Room(ref _scores, total);
        ScoreOrder.Room(ref _keep, total);
        ScoreOrder.Room(ref _lengths, heads);
        bool divide = Divides(scorer, history), marked = HasMarks(spans);
        int floor = 0, offset = 0;
        for (int head = 0; head < heads; head++)
        {
            int length = _lengths[head] = cache.KeptPerHead[head], layer = head / cache.KvHeads, kvHead = head % cache.KvHeads, low = cache.Table(layer, kvHead).LowLength;
            Span<float> scores = _scores.AsSpan(offset, length);
            scorer.ReadScores(new ScoredHead(cache, layer, kvHead, settings, _model, memory?.Of(head, heads)), scores);
            scores.Replace(float.PositiveInfinity, float.MaxValue); // +infinity is for what must stay; a score that overflowed is only very high
            if (divide || marked)
            {
                Span<int> positions = ScoreOrder.Room(ref _positions, length).AsSpan(0, length);
                cache.ReadPositions(layer, kvHead, positions);
                if (divide)
                {
                    Divide(scores[..low], positions[..low], history);
                    Divide(scores[low..], positions[low..], history);
                }

                MarkSpans(scores, positions, low, spans, keepsPreferred);
            }

            // Sinks and protected ones never went to the right end.
            Span<float> left = scores[low..];
            left[..Math.Min(left.Length, settings.SinkTokens)].Fill(float.PositiveInfinity);
            left[Math.Max(0, left.Length - settings.ProtectedTokens)..].Fill(float.PositiveInfinity);
            floor += GlobalPageEviction.FloorPages(left.Length, left.Count(float.PositiveInfinity), cache.PageTokens)
                + ((scores[..low].Count(float.PositiveInfinity) + cache.LowPageTokens - 1) / cache.LowPageTokens);
            offset += length;
        }

        return floor;
    }

    /// <summary>A plain loop, because this is part of decoding, which allocates nothing.</summary>
    private static bool HasMarks(IReadOnlyList<PromptSpan> spans)
    {
        for (int i = 0; i < spans.Count; i++)
        {
            if (spans[i].Retention != KvRetention.Compressible)
                return true;
        }

        return false;
    }

    private static bool PrefersAny(IReadOnlyList<PromptSpan> spans)
    {
        for (int i = 0; i < spans.Count; i++)
        {
            if (spans[i].Retention == KvRetention.Preferred)
                return true;
        }

        return false;
    }

    /// <summary>Whether what is preferred, beside sinks and protected window, takes at most half of a head's budget.</summary>
    private static bool HasRoom(KvCompression settings, IReadOnlyList<PromptSpan> spans, long kvsPerHead)
    {
        long preferred = 0;
        for (int i = 0; i < spans.Count; i++)
            preferred += spans[i].Retention == KvRetention.Preferred ? spans[i].Length : 0;
        return preferred * 2 <= kvsPerHead;
    }

    private bool TryEvict(SequenceCache cache, IBudgetAllocator allocator, int allowedPages, int floorKvs, out long selected)
    {
        int total = (int)cache.KvCount;
        SelectionInput input = new()
        {
            KvHeads = cache.KvHeads,
            PageTokens = cache.PageTokens,
            Lengths = _lengths.AsSpan(0, cache.KeptPerHead.Count),
            Scores = _scores.AsSpan(0, total),
            AllowedPages = allowedPages,
            FloorKvs = floorKvs,
        };
        Span<bool> keep = _keep.AsSpan(0, total);
        allocator.Allocate(input, keep);
        selected = Stopwatch.GetTimestamp();
        return cache.TryEvict(keep);
    }

    private IBudgetAllocator AllocatorOf(KvCompression settings, CompressionPolicy policy)
    {
        string name = settings.Allocator ?? policy.Allocator;
        if (!_allocators.TryGetValue(name, out IBudgetAllocator? allocator))
            _allocators.Add(name, allocator = BudgetAllocators.Create(name));
        return allocator;
    }

    /// <summary>Makes sums over different numbers of queries comparable. What no query could see has the score 0 and keeps it; it is new and protected.</summary>
    private static void Divide(Span<float> scores, ReadOnlySpan<int> positions, ScoreHistory history)
    {
        // Most lie before all recorded queries, which then all saw them.
        for (int i = 0; i < scores.Length;)
        {
            int count = history.QueriesThatSaw(positions[i]), same = i + 1;
            if (positions[i] <= history.FirstQuery)
                same = Math.Max(same, i + LowerBound(positions[i..], history.FirstQuery));
            TensorPrimitives.Divide(scores[i..same], Math.Max(1, count), scores[i..same]);
            i = same;
        }
    }

    // What the stretches of the prompt say; where they overlap, the last wins.
    private static void MarkSpans(Span<float> scores, ReadOnlySpan<int> positions, int low, IReadOnlyList<PromptSpan> spans, bool keepsPreferred)
    {
        MarkEnds(scores, positions, low, spans, KvRetention.Droppable, float.NegativeInfinity);
        if (keepsPreferred)
            MarkEnds(scores, positions, low, spans, KvRetention.Preferred, float.PositiveInfinity);
        MarkEnds(scores, positions, low, spans, KvRetention.Pinned, float.PositiveInfinity);
    }

    /// <summary>Marks both ends of a table; positions ascend within each.</summary>
    private static void MarkEnds(Span<float> scores, ReadOnlySpan<int> positions, int low, IReadOnlyList<PromptSpan> spans, KvRetention retention, float mark)
    {
        if (low > 0)
            Mark(scores[..low], positions[..low], spans, retention, mark);
        Mark(scores[low..], positions[low..], spans, retention, mark);
    }

    private static void Mark(Span<float> scores, ReadOnlySpan<int> positions, IReadOnlyList<PromptSpan> spans, KvRetention retention, float mark)
    {
        for (int i = 0; i < spans.Count; i++)
        {
            if (spans[i].Retention == retention && spans[i].Length > 0)
                scores[LowerBound(positions, spans[i].Start)..LowerBound(positions, spans[i].End)].Fill(mark);
        }
    }

    /// <summary>KVs before a position; positions ascend within a head, and each stands once.</summary>
    private static int LowerBound(ReadOnlySpan<int> positions, int position)
    {
        int found = positions.BinarySearch(position);
        return found < 0 ? ~found : found;
    }
}
