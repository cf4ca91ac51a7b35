namespace KvChat.Runtime.Compression;

/// <summary>A position of a prompt at which its KVs are scored, and then compressed.</summary>
/// <param name="End">Number of prompt tokens read when it is reached.</param>
/// <param name="WindowStart">First token of the observation window.</param>
/// <param name="WindowLength">Tokens of the observation window.</param>
/// <param name="IsSuffix">
/// True where the window is the prompt's end, run behind the chunk as a temporary suffix; false where it is the last tokens before
/// <paramref name="End"/> themselves.
/// </param>
public readonly record struct CompressionStop(int End, int WindowStart, int WindowLength, bool IsSuffix);

/// <summary>
/// Where the prompt of a request is scored and compressed. The stops depend on the request alone, never on how the scheduler cuts
/// chunks, so that its tokens do not either.
/// </summary>
public sealed class ReadingPlan
{
    private readonly KvCompression _compression;
    private readonly CompressionQuery _query;
    private readonly int _start, _window, _observedEnd, _windowStart;

    /// <summary>Plans the stops of a prompt.</summary>
    /// <param name="compression">The request's settings.</param>
    /// <param name="spans">What the stretches of the prompt are; the last <see cref="PromptSpanKind.Question"/> counts.</param>
    /// <param name="promptLength">Tokens of the prompt.</param>
    /// <param name="start">Tokens at its start that are not read because their KVs are still held.</param>
    public ReadingPlan(KvCompression compression, IReadOnlyList<PromptSpan> spans, int promptLength, int start)
    {
        ArgumentNullException.ThrowIfNull(compression);
        ArgumentNullException.ThrowIfNull(spans);
        _compression = compression;
        Observes = !compression.IsOff || compression.UnderPressure;
        IKvScorer? scorer = Observes ? CompressionPolicies.Get(compression.IsOff ? CompressionPolicies.Standard : compression.Policy).Scorer : null;
        _query = scorer?.IsQueryAgnostic == true ? CompressionQuery.Unknown : compression.Query;
        _start = start;
        PromptLength = promptLength;
        (int questionStart, int questionEnd) = Question(spans, promptLength);
        _observedEnd = _query == CompressionQuery.Known ? promptLength : Math.Max(questionStart, start);
        int window = scorer?.Window(compression) ?? compression.ObservationWindow;
        _window = window;
        int first = _query == CompressionQuery.Known ? Math.Max(questionEnd - window, promptLength - window - MaxTail) : questionStart - window;
        if (_query == CompressionQuery.Known && questionStart < questionEnd)
            first = Math.Max(first, Math.Min(questionStart, promptLength - Math.Min(window, LeastWindow)));
        _windowStart = Math.Clamp(first, Math.Min(start, _observedEnd), _observedEnd);
    }

    /// <summary>Most tokens behind the question that still belong to the observation window: what a template writes there.</summary>
    public const int MaxTail = 64;

    /// <summary>
    /// A window reaches back to the start of the question and no further: text before it attends to its own neighbours, and its votes cost the answer KVs. Yet it has so
    /// many tokens at least.
    /// </summary>
    public const int LeastWindow = 8;

    /// <summary>Most rows that one observation takes.</summary>
    public const int MaxWindowRows = 256 + MaxTail;

    /// <summary>Tokens of the prompt.</summary>
    public int PromptLength { get; }

    /// <summary>Whether attention is recorded at all.</summary>
    public bool Observes { get; }

    /// <summary>Whether the end of the prompt chooses what is kept.</summary>
    public bool KnowsQuery => _query == CompressionQuery.Known;

    /// <summary>First token of the last observation window; what is cached may not reach into it.</summary>
    public int WindowStart => _windowStart;

    /// <summary>Tokens of the prompt that are observed; what follows is read without a further compression.</summary>
    public int ObservedEnd => _observedEnd;

    /// <summary>The first stop behind a position, or null where none is left.</summary>
    /// <param name="position">Prompt tokens read so far.</param>
    public CompressionStop? NextStop(int position)
    {
        if (!Observes || position >= _observedEnd)
            return null;
        if (_compression.Schedule == CompressionSchedule.WhileReading && !_compression.IsOff)
        {
            int chunk = _compression.ChunkTokens, next = ((position / chunk) + 1) * chunk;
            if (_query == CompressionQuery.Known && next <= _windowStart)
                return new CompressionStop(next, _windowStart, PromptLength - _windowStart, true);
            if (_query == CompressionQuery.Unknown && next < _observedEnd)
            {
                int length = Math.Min(_window, next - Math.Max(_start, next - chunk));
                return new CompressionStop(next, next - length, length, false);
            }
        }

        int start = _windowStart;
        if (_compression.Schedule == CompressionSchedule.WhileReading && !_compression.IsOff)
            start = Math.Min(Math.Max(start, position / _compression.ChunkTokens * _compression.ChunkTokens), _observedEnd - 1);
        return new CompressionStop(_observedEnd, start, _observedEnd - start, false);
    }

    /// <summary>
    /// Where the piece that begins at a position ends: at most <paramref name="maxRows"/> rows, at a stop where one is reached, and never
    /// inside an observation window, which is read in one piece.
    /// </summary>
    /// <param name="position">Prompt tokens read so far.</param>
    /// <param name="maxRows">Rows of prompt that the step has left; at least 1.</param>
    /// <param name="windowRows">Further rows that the step has for observation windows; <see cref="MaxWindowRows"/> suffice for any one.</param>
    /// <returns>The end, or <paramref name="position"/> itself where the rows do not suffice for the window that comes next.</returns>
    public int NextEnd(int position, int maxRows, int windowRows)
    {
        int end = Math.Min(PromptLength, position + maxRows);
        if (NextStop(position) is not { } stop)
            return end;
        if (stop.IsSuffix)
            return end < stop.End || stop.WindowLength <= windowRows ? Math.Min(end, stop.End) : stop.End - 1;
        if (end >= stop.End)
            return stop.End;
        if (position < stop.WindowStart)
            return Math.Min(end, stop.WindowStart);
        return stop.End - position <= windowRows ? stop.End : position;
    }

    /// <summary>Start and end of the newest question; the end of the prompt where none is named.</summary>
    private static (int Start, int End) Question(IReadOnlyList<PromptSpan> spans, int promptLength)
    {
        for (int i = spans.Count - 1; i >= 0; i--)
        {
            if (spans[i].Kind == PromptSpanKind.Question && spans[i].Length > 0)
                return (Math.Clamp(spans[i].Start, 0, promptLength), Math.Clamp(spans[i].End, 0, promptLength));
        }

        return (promptLength, promptLength);
    }
}
