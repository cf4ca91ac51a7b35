using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>
/// The eviction of <see cref="GlobalPageEviction"/> where the back end has its pages, of scores that attention has recorded: only counts come to the host. It keeps exactly what
/// <see cref="SequenceCompressor"/> keeps by itself, which does it for everything else: scores that are made on the host, other allocators, two formats, shared pages.
/// </summary>
internal sealed class DeviceEviction
{
    private HeadView[] _heads = [];
    private KvMark[] _marks = [];
    private int[] _pinned = [], _freeable = [];
    private int _markCount;
    private KvMarks _history;

    /// <summary>The back end's evictor, or null where the host must do it.</summary>
    public static IKvEvictor? Of(SequenceCache cache, IKvScorer scorer, IBudgetAllocator allocator) =>
        scorer.ReadsRecorded && allocator is GlobalPageEviction && cache.LowFormat is null && cache.Pool.Arena.Evictor is { } evictor && cache.ExclusivePages == cache.PageCount ? evictor : null;

    /// <summary>Makes the scores of all heads; returns the pages that they keep in any case.</summary>
    public int Score(IKvEvictor evictor, SequenceCache cache, bool divides, IReadOnlyList<PromptSpan> spans, bool keepsPreferred, KvCompression settings, ScoreHistory history)
    {
        int heads = cache.KeptPerHead.Count;
        ScoreOrder.Room(ref _heads, heads);
        ScoreOrder.Room(ref _pinned, heads);
        ScoreOrder.Room(ref _freeable, heads);
        for (int layer = 0; layer < cache.Layers; layer++)
            cache.FillViews(layer, _heads.AsSpan(layer * cache.KvHeads, cache.KvHeads));
        ListMarks(spans, keepsPreferred);
        _history = new KvMarks(divides, history, settings.SinkTokens, settings.ProtectedTokens);
        evictor.Score(Scoring(cache), _pinned.AsSpan(0, heads));
        int floor = 0;
        for (int head = 0; head < heads; head++)
            floor += GlobalPageEviction.FloorPages(_heads[head].Length, _pinned[head], cache.PageTokens);
        return floor;
    }

    /// <summary>Evicts down to a number of pages.</summary>
    public void Evict(IKvEvictor evictor, SequenceCache cache, int allowedPages, int floorKvs)
    {
        int heads = cache.KeptPerHead.Count, pages = 0;
        for (int head = 0; head < heads; head++)
        {
            int own = (_heads[head].Length + cache.PageTokens - 1) / cache.PageTokens;
            _freeable[head] = own - GlobalPageEviction.FloorPages(_heads[head].Length, floorKvs, cache.PageTokens);
            pages += own;
        }

        evictor.Evict(Scoring(cache), _freeable.AsSpan(0, heads), pages - allowedPages, _pinned.AsSpan(0, heads));
        cache.ShortenTo(_pinned.AsSpan(0, heads));
    }

    private KvScoring Scoring(SequenceCache cache) => new()
    {
        Heads = _heads.AsSpan(0, cache.KeptPerHead.Count),
        Format = cache.Format,
        Divides = _history.Divides,
        WindowStart = _history.History.WindowStart,
        WindowEnd = _history.History.WindowEnd,
        AddedStart = _history.History.AddedStart,
        AddedEnd = _history.History.AddedEnd,
        Marks = _marks.AsSpan(0, _markCount),
        Sinks = _history.Sinks,
        Newest = _history.Newest,
    };

    // In the order in which the host makes them: pinned wins.
    private void ListMarks(IReadOnlyList<PromptSpan> spans, bool keepsPreferred)
    {
        ScoreOrder.Room(ref _marks, spans.Count);
        _markCount = 0;
        Add(spans, KvRetention.Droppable, float.NegativeInfinity);
        if (keepsPreferred)
            Add(spans, KvRetention.Preferred, float.PositiveInfinity);
        Add(spans, KvRetention.Pinned, float.PositiveInfinity);
    }

    private void Add(IReadOnlyList<PromptSpan> spans, KvRetention retention, float score)
    {
        for (int i = 0; i < spans.Count; i++)
        {
            if (spans[i].Retention == retention && spans[i].Length > 0)
                _marks[_markCount++] = new KvMark(spans[i].Start, spans[i].End, score);
        }
    }

    private readonly record struct KvMarks(bool Divides, ScoreHistory History, int Sinks, int Newest);
}
