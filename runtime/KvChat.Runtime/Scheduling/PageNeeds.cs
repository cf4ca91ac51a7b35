using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>How many pages a request takes, from its settings alone: for admission, and for errors before anything is read.</summary>
/// <param name="windows">Sliding window of each layer, 0 for none.</param>
/// <param name="kvHeads">KV heads of a layer.</param>
/// <param name="shape">Of the arena.</param>
/// <param name="stepRows">Most rows that a sequence reads before its windows forget.</param>
internal sealed class PageNeeds(int[] windows, int kvHeads, KvArenaShape shape, int stepRows)
{
    private readonly int _heads = windows.Length * kvHeads;

    /// <summary>Pages of a sequence without compression. Layers with a window hold no more than it, what leaves together, and what is being read.</summary>
    public long Full(long tokens, KvFormat format)
    {
        long pages = 0;
        foreach (int window in windows)
        {
            long held = window == 0 ? tokens : Math.Min(tokens, (long)window + SequenceCache.ForgottenTogether(PageTokens(format)) + stepRows);
            pages += CompressionBudget.WholePages(kvHeads, checked((int)held), PageTokens(format));
        }

        return pages;
    }

    /// <summary>Pages of a sequence without compression if no layer had a window: what ratios refer to.</summary>
    public long Unwindowed(long tokens, KvFormat format) => CompressionBudget.WholePages(_heads, checked((int)tokens), PageTokens(format));

    /// <summary>
    /// Most pages that are free or the request's own before it starts until the first token of its answer. A compressed start is counted with its own pages, a second time where the request
    /// observes, which takes copies; nothing is assumed of what compression will free, since the start alone may lie above the budget.
    /// </summary>
    public long Prompt(GenerationRequest request) => request.Start is { IsCompressed: true } start
        ? FromStart(request, start.State, request.Prompt.Length)
        : Prompt(request.Compression, request.Spans, request.Prompt.Length);

    /// <summary>The same, the answer included.</summary>
    public long Whole(GenerationRequest request, int output) => request.Start is { IsCompressed: true } start
        ? FromStart(request, start.State, request.Prompt.Length + output)
        : Whole(request.Compression, request.Spans, request.Prompt.Length, output);

    private long FromStart(GenerationRequest request, PreparedState start, int tokens)
    {
        bool observes = !request.Compression.IsOff || request.Compression.UnderPressure;
        return (observes ? 2L : 1L) * start.PageCount + Full(tokens - start.Length, request.Compression.Format) + _heads + Repeat(request.Compression, tokens);
    }

    /// <summary>Most pages that are held at once until the first token of the answer.</summary>
    public long Prompt(KvCompression compression, IReadOnlyList<PromptSpan> spans, int promptLength)
    {
        long full = Full(promptLength, compression.Format) + Repeat(compression, promptLength);
        if (compression.IsOff || compression.Schedule == CompressionSchedule.AfterPrompt)
            return full;
        var plan = new ReadingPlan(compression, spans, promptLength, 0);
        int piece = plan.KnowsQuery
            ? compression.ChunkTokens + promptLength - plan.WindowStart
            : Math.Max(compression.ChunkTokens, promptLength - plan.ObservedEnd);
        return Math.Min(full, Kept(compression, spans, promptLength) + Full(piece, compression.Format) + _heads + Repeat(compression, promptLength));
    }

    /// <summary>Most pages that are held at once, the answer included.</summary>
    public long Whole(KvCompression compression, IReadOnlyList<PromptSpan> spans, int promptLength, int output)
    {
        long reading = Prompt(compression, spans, promptLength);
        long full = Full((long)promptLength + output, compression.Format);
        if (compression.IsOff)
            return full;
        long kept = compression.DecodeInterval > 0
            ? Kept(compression, spans, promptLength + output) + Full(Math.Min(compression.DecodeInterval, output) + 1, compression.Format)
            : Kept(compression, spans, promptLength) + Full(output, compression.Format);
        return Math.Max(reading, Math.Min(full, kept + _heads));
    }

    /// <summary>Pages right after a compression of a sequence without pinned stretches.</summary>
    public long Kept(KvCompression compression, int tokens) =>
        Math.Min(Full(tokens, compression.Format), CompressionBudget.AllowedPages(compression, _heads, tokens, PageTokens(compression.Format)));

    /// <summary>Most pages while an answer is drawn: between two compressions every head may begin as many pages as the tokens between them fill.</summary>
    /// <param name="compression">Settings.</param>
    /// <param name="tokens">Prompt and answer together.</param>
    /// <param name="answer">Tokens of the answer.</param>
    public long Answering(KvCompression compression, int tokens, int answer)
    {
        long full = Full(tokens, compression.Format);
        if (compression.IsOff)
            return full;
        bool goesOn = compression.DecodeInterval > 0;
        int added = goesOn ? Math.Min(answer, compression.DecodeInterval) : answer;
        return Math.Min(full, Kept(compression, goesOn ? tokens : tokens - answer) + CompressionBudget.WholePages(_heads, added, PageTokens(compression.Format)));
    }

    /// <summary>Pages that no compression goes below.</summary>
    public long Floor(KvCompression compression, int tokens) => CompressionBudget.FloorPages(compression, _heads, tokens, PageTokens(compression.Format));

    /// <summary>Pages after a compression: the budget, or the floor that no head goes below, pinned stretches included.</summary>
    private long Kept(KvCompression compression, IReadOnlyList<PromptSpan> spans, int tokens)
    {
        long pinned = spans.Where(s => s.Retention == KvRetention.Pinned).Sum(s => (long)s.Length);
        long floor = Full(compression.SinkTokens + compression.ProtectedTokens + pinned, compression.Format) + _heads;
        long budget = CompressionBudget.AllowedPages(compression, _heads, tokens, PageTokens(compression.Format));
        return Math.Min(Full(tokens, compression.Format), Math.Max(budget, floor));
    }

    /// <summary>Pages of the passes that read a prompt once more.</summary>
    private long Repeat(KvCompression compression, int promptLength) =>
        !compression.IsOff && CompressionPolicies.Get(compression.Policy).Scorer.Repeats ? Full(Math.Min(RepeatPass.MaxRows, promptLength), compression.Format) + _heads : 0;

    private int PageTokens(KvFormat format) => shape.PageTokens(format);
}
