using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>Scores, choice and moves of an eviction on the device; two numbers a head come back, when scores are marked and when KVs are chosen.</summary>
internal sealed class CudaEviction(CudaQueue queue, CudaArena arena) : IKvEvictor, IDisposable
{
    private const int Threads = 256;

    // EvictionScratch of eviction.cu: two arrays of sums, and two numbers.
    private const int SharedBytes = ((2 * Threads) + 2) * sizeof(uint);

    private readonly CudaScratch _lists = new(queue), _scores = new(queue), _keep = new(queue), _counts = new(queue), _moves = new(queue);
    private readonly CudaSelection _selection = new(queue);
    private EvictionHead[] _heads = [];
    private SelectionHead[] _choices = [];
    private EvictionCount[] _results = [];
    private int[] _pages = [];
    private EvictionArguments _arguments;
    private int _scored, _total;

    /// <inheritdoc/>
    public void Score(in KvScoring scoring, Span<int> pinned)
    {
        int heads = scoring.Heads.Length;
        if (pinned.Length != heads)
            throw new ArgumentException($"{nameof(pinned)} has {pinned.Length} elements, not {heads}.", nameof(pinned));
        nint address = arena.Address;
        _scored = 0;
        if (heads == 0)
            return;
        int pageCount = ListHeads(scoring, out int longest);
        ReadOnlySpan<KvMark> marks = scoring.Marks;
        int headBytes = heads * Unsafe.SizeOf<EvictionHead>(), markBytes = marks.Length * Unsafe.SizeOf<KvMark>();
        nint lists = _lists.Ensure((long)headBytes + markBytes + ((long)pageCount * sizeof(int)));
        queue.Upload(lists + headBytes, MemoryMarshal.AsBytes(marks));
        queue.Upload(lists + headBytes + markBytes, MemoryMarshal.AsBytes<int>(_pages.AsSpan(0, pageCount)));
        _arguments = new EvictionArguments
        {
            Arena = ArenaArguments.Of(arena.Shape, address),
            Heads = lists,
            Pages = lists + headBytes + markBytes,
            Marks = lists + headBytes,
            Scores = _scores.Ensure((long)_total * sizeof(float)),
            Keep = _keep.Ensure(_total),
            Counts = _counts.Ensure((long)heads * Unsafe.SizeOf<EvictionCount>()),
            Format = (int)scoring.Format,
            MarkCount = marks.Length,
            Divides = scoring.Divides ? 1 : 0,
            WindowStart = scoring.WindowStart,
            WindowEnd = scoring.WindowEnd,
            AddedStart = scoring.AddedStart,
            AddedEnd = scoring.AddedEnd,
            Sinks = scoring.Sinks,
            Newest = scoring.Newest,
        };
        UploadHeads(heads);
        queue.Clear(_arguments.Counts, (long)heads * Unsafe.SizeOf<EvictionCount>());
        if (longest > 0)
            queue.Launch("kv_mark_scores", new CudaGrid((longest + Threads - 1) / Threads, heads), Threads, 0, _arguments);
        ReadCounts(heads);
        for (int i = 0; i < heads; i++)
            pinned[i] = _results[i].Pinned;
        _scored = heads;
    }

    /// <inheritdoc/>
    public void Evict(in KvScoring scoring, ReadOnlySpan<int> freeable, int pagesToFree, Span<int> kept)
    {
        int heads = scoring.Heads.Length;
        if (heads == 0 || heads != _scored || freeable.Length != heads || kept.Length != heads)
            throw new InvalidOperationException($"{heads} heads, {freeable.Length} limits and {kept.Length} results are given, but {_scored} heads were scored.");
        _scored = 0;
        for (int i = 0; i < heads; i++)
            _choices[i] = new SelectionHead { First = _heads[i].First, Length = _heads[i].Length, Most = freeable[i] };
        SelectionSequence sequence = new() { HeadCount = heads, PageTokens = arena.PageTokens(scoring.Format), ToFree = pagesToFree };
        _selection.Select(_choices.AsSpan(0, heads), new ReadOnlySpan<SelectionSequence>(in sequence), _arguments.Scores, _arguments.Keep);
        queue.Launch("kv_count_kept", new CudaGrid(heads), Threads, SharedBytes, _arguments);
        ReadCounts(heads);
        int moves = 0;
        for (int i = 0; i < heads; i++)
        {
            kept[i] = _results[i].Kept;
            _heads[i].Moves = moves;
            moves += _results[i].Kept - _results[i].Staying;
        }

        if (moves == 0)
            return;
        UploadHeads(heads);
        _arguments.Moves = _moves.Ensure((long)moves * Unsafe.SizeOf<KvMove>());
        queue.Launch("kv_list_moves", new CudaGrid(heads), Threads, SharedBytes, _arguments);
        arena.MoveListed(scoring.Format, _arguments.Moves, moves);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lists.Dispose();
        _scores.Dispose();
        _keep.Dispose();
        _counts.Dispose();
        _moves.Dispose();
        _selection.Dispose();
    }

    // Heads with their page ids behind each other; returns the number of pages.
    private int ListHeads(in KvScoring scoring, out int longest)
    {
        int slots = arena.PageTokens(scoring.Format), pages = 0, total = 0;
        longest = 0;
        if (_heads.Length < scoring.Heads.Length)
        {
            _heads = new EvictionHead[scoring.Heads.Length];
            _choices = new SelectionHead[scoring.Heads.Length];
            _results = new EvictionCount[scoring.Heads.Length];
        }

        for (int i = 0; i < scoring.Heads.Length; i++)
        {
            HeadView head = scoring.Heads[i];
            if (head.LowLength != 0)
                throw new ArgumentException($"Head {i} has a right end of {head.LowLength} KVs; only heads of one format are evicted on the device.", nameof(scoring));
            int count = (head.Length + slots - 1) / slots;
            _heads[i] = new EvictionHead { First = total, Length = head.Length, Pages = pages };
            total = checked(total + head.Length);
            longest = Math.Max(longest, head.Length);
            if (_pages.Length < pages + count)
                Array.Resize(ref _pages, Math.Max(pages + count, 2 * _pages.Length));
            for (int page = 0; page < count; page++)
                _pages[pages++] = arena.Checked(head.Page(page));
        }

        _total = total;
        return pages;
    }

    private void UploadHeads(int heads) => queue.Upload(_arguments.Heads, MemoryMarshal.AsBytes<EvictionHead>(_heads.AsSpan(0, heads)));

    private void ReadCounts(int heads) => queue.Download(_arguments.Counts, MemoryMarshal.AsBytes(_results.AsSpan(0, heads)));
}
