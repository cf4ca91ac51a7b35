using System.Diagnostics;
using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>Selection and compaction of whole sequences, all layers and heads, to an eighth of their KVs, one sequence after another as the engine does it.</summary>
internal sealed class EvictionBenchmark : IBenchmarkPart
{
    /// <summary>How many times fewer KVs there are afterwards.</summary>
    public const int Ratio = 8;

    private const int WarmUps = 1;

    /// <inheritdoc/>
    public string Name => "eviction";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable table = new($"Selection and compaction at {Ratio}x, {context.Shape.Name}, all layers{context.Gpu.Note}", "sequences", "KVs a head", "format", "KVs scored", "KVs kept", "ms in all", "ms a sequence");
        context.Report.Try("Selection and compaction", () => Measure(context, table));
        context.Report.Show(table);
    }

    private static void Measure(BenchmarkContext context, GpuTable table)
    {
        ModelShape shape = context.Shape;
        using CudaBackend backend = context.Open();
        int tokens = context.Scale.EvictionTokens, count = context.Scale.EvictionSequences + WarmUps;
        int[][] lengths = HeadLengths.Uniform(count, shape.KvHeads, tokens);
        while (count > 1 + WarmUps && !BenchmarkContext.Fits(backend, FilledCache.PoolBytesOf(shape, KvFormat.F16, lengths, shape.Layers, 0)))
            lengths = HeadLengths.Uniform(--count, shape.KvHeads, tokens);
        using FilledCache cache = new(backend, shape, KvFormat.F16, lengths, shape.Layers, room: 0);
        HeadView[][] heads = [.. Enumerable.Range(0, count).Select(s => Enumerable.Range(0, shape.Layers).SelectMany(layer => Enumerable.Range(0, shape.KvHeads).Select(head => cache.Head(layer, s, head))).ToArray())];
        WriteScores(cache, heads, tokens);
        Stopwatch clock = new();
        long kept = 0;
        for (int s = 0; s < count; s++)
        {
            if (s == WarmUps)
            {
                backend.Queue.Synchronize();
                clock.Start();
            }

            long own = Evict(cache, heads[s], cache.PagesOf(s, 0));
            kept += s < WarmUps ? 0 : own;
        }

        backend.Queue.Synchronize();
        double milliseconds = clock.Elapsed.TotalMilliseconds;
        int measured = count - WarmUps;
        long scored = (long)measured * heads[0].Length * tokens;
        Assert.InRange(kept, scored / (2 * Ratio), scored / Ratio);
        table.Add(measured, tokens, KvFormat.F16.ToString(), scored, kept, milliseconds, milliseconds / measured);
        if (context.StepMilliseconds is { } step && measured == context.Scale.EvictionSequences)
            context.Report.Aim($"eviction, {measured} sequences of {tokens} tokens: time over that of a decode step of what is left", milliseconds / step, 1, isCeiling: true);
    }

    private static long Evict(FilledCache cache, HeadView[] heads, int pagesOfHead)
    {
        KvScoring scoring = new() { Heads = heads, Format = KvFormat.F16, Sinks = 4, Newest = 16 };
        int[] pinned = new int[heads.Length], freeable = new int[heads.Length], kept = new int[heads.Length];
        cache.Arena.Evictor!.Score(scoring, pinned);
        int slots = cache.Arena.PageTokens(KvFormat.F16);
        for (int i = 0; i < heads.Length; i++)
            freeable[i] = pagesOfHead - ((pinned[i] + slots - 1) / slots);
        cache.Arena.Evictor.Evict(scoring, freeable, pagesOfHead * heads.Length / Ratio * (Ratio - 1), kept);
        return kept.Sum(k => (long)k);
    }

    // What prompts leave: a few KVs matter much, most hardly.
    private static void WriteScores(FilledCache cache, HeadView[][] heads, int tokens)
    {
        Random random = new(17);
        float[] scores = new float[tokens + 1021];
        foreach (ref float score in scores.AsSpan())
            score = MathF.Pow(random.NextSingle(), 8);
        int at = 0;
        foreach (HeadView head in heads.SelectMany(own => own))
            cache.Arena.WriteScores(head, KvFormat.F16, scores.AsSpan(at = (at + 37) % 1021, tokens));
    }
}
