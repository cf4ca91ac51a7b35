using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Kept sets on real scores, against a plain reference in another language.</summary>
public sealed class GoldenSelectionTests
{
    private const string Tiny = "golden/tiny/compression.safetensors";
    private const string Smol = "golden/smollm2/compression.safetensors";

    [SharedTheory(Tiny, Smol)]
    [InlineData(Tiny, 0.5)]
    [InlineData(Tiny, 0.25)]
    [InlineData(Tiny, 0.125)]
    [InlineData(Smol, 0.5)]
    [InlineData(Smol, 0.25)]
    [InlineData(Smol, 0.125)]
    public void Global_eviction_keeps_what_the_reference_keeps(string file, double share)
    {
        Golden golden = new(file);
        golden.Protect(32, sinks: 4);
        golden.Compare(new GlobalPageEviction(), (int)(golden.Heads * (golden.Tokens / 16) * share), 36, FormattableString.Invariant($"kept.global.page16.protected32.share{share}"));
    }

    [SharedTheory(Tiny, Smol)]
    [InlineData(Tiny)]
    [InlineData(Smol)]
    public void Uniform_allocation_keeps_what_the_reference_keeps(string file)
    {
        Golden golden = new(file);
        golden.Protect(32, sinks: 0);
        golden.Compare(new UniformAllocator(), golden.Heads * 8, 32, "kept.uniform.budget128.protected32");
    }

    [SharedTheory(Tiny, Smol)]
    [InlineData(Tiny)]
    [InlineData(Smol)]
    public void Ada_kv_keeps_what_the_reference_keeps(string file)
    {
        // The reference guarantees 20 % of 128 KVs and nothing for the window, whose scores are infinite anyway.
        Golden golden = new(file);
        golden.Protect(32, sinks: 0);
        golden.Compare(new AdaKvAllocator(), golden.Heads * 8, 0, "kept.adakv.budget128.protected32");
    }

    private sealed class Golden
    {
        private readonly SafetensorsFile _file;
        private readonly float[] _scores;

        public Golden(string file)
        {
            _file = SafetensorsFile.Open(SharedFiles.PathOf(file));
            IReadOnlyList<int> shape = _file["scores.w32"].Shape;
            (KvHeads, Heads, Tokens) = (shape[1], shape[0] * shape[1], shape[2]);
            _scores = _file.Floats("scores.w32");
        }

        public int KvHeads { get; }

        public int Heads { get; }

        public int Tokens { get; }

        public void Protect(int newest, int sinks)
        {
            for (int head = 0; head < Heads; head++)
            {
                _scores.AsSpan(head * Tokens, sinks).Fill(float.PositiveInfinity);
                _scores.AsSpan((head + 1) * Tokens - newest, newest).Fill(float.PositiveInfinity);
            }
        }

        public void Compare(IBudgetAllocator allocator, int allowedPages, int floorKvs, string name)
        {
            bool[] keep = new bool[_scores.Length];
            allocator.Allocate(new SelectionInput
            {
                KvHeads = KvHeads,
                PageTokens = 16,
                Lengths = Enumerable.Repeat(Tokens, Heads).ToArray(),
                Scores = _scores,
                AllowedPages = allowedPages,
                FloorKvs = floorKvs,
            }, keep);
            bool[] expected = [.. _file.Ints(name).Select(kept => kept != 0)];
            Assert.Equal(expected.Count(kept => kept), keep.Count(kept => kept));
            Assert.True(keep.AsSpan().SequenceEqual(expected), $"{keep.Zip(expected).Count(pair => pair.First != pair.Second)} KVs differ");
        }
    }
}
