using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Scores from keys and positions against their formulas in fp64.</summary>
public sealed class KeyScorerTests : IDisposable
{
    private const int Tokens = 90;
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;
    private readonly StepRunner _runner;

    public KeyScorerTests()
    {
        _model = RandomModel.Create(_backend);
        _runner = new StepRunner(_model, 1, Tokens, Tokens, 1, KvFormat.F16);
        _runner.Read(0, [.. Enumerable.Range(0, Tokens).Select(i => 2 + (i * 7 % 60))]);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Knorm_is_minus_the_length_of_the_key() =>
        AssertScores(new KeyNormScorer(), keys => [.. keys.Select(k => -Math.Sqrt(k.Sum(x => x * x)))]);

    [Fact]
    public void Keydiff_is_minus_the_cosine_with_the_mean_of_normalised_keys() => AssertScores(new KeyDiffScorer(), keys =>
    {
        double[][] units = [.. keys.Select(k => k.Select(x => x / Math.Sqrt(k.Sum(y => y * y))).ToArray())];
        double[] mean = [.. Enumerable.Range(0, units[0].Length).Select(d => units.Average(u => u[d]))];
        double length = Math.Sqrt(mean.Sum(x => x * x));
        return [.. units.Select(u => -u.Zip(mean, (a, b) => a * b).Sum() / length)];
    });

    [Fact]
    public void Streaming_prefers_the_newer() => AssertScores(new RecencyScorer(), keys => [.. Enumerable.Range(0, keys.Length).Select(i => (double)i)]);

    [Fact]
    public void Noise_depends_on_seed_layer_head_and_position_alone()
    {
        float[] first = Scores(new RandomScorer(), 0, 0);
        Assert.Equal(first, Scores(new RandomScorer(), 0, 0));
        Assert.NotEqual(first, Scores(new RandomScorer(), 1, 0));
        Assert.NotEqual(first, Scores(new RandomScorer(2), 0, 0));
        Assert.All(first, s => Assert.InRange(s, 0, 1));
        Assert.InRange(first.Average(), 0.35, 0.65);
    }

    private float[] Scores(KeyScorer scorer, int layer, int head)
    {
        float[] scores = new float[Tokens];
        scorer.ReadScores(new ScoredHead(_runner.Cache(0), layer, head, new KvCompression(), new ScoringModel(_model)), scores);
        return scores;
    }

    private void AssertScores(KeyScorer scorer, Func<double[][], double[]> formula)
    {
        SequenceCache cache = _runner.Cache(0);
        int dim = _runner.Arena.Shape.HeadDim;
        for (int head = 0; head < cache.KeptPerHead.Count; head++)
        {
            float[] keys = new float[Tokens * dim];
            _runner.Arena.ReadKeys(cache.Table(head / cache.KvHeads, head % cache.KvHeads).View, KvFormat.F16, keys);
            double[] expected = formula([.. keys.Chunk(dim).Select(k => k.Select(x => (double)x).ToArray())]);
            float[] actual = Scores(scorer, head / cache.KvHeads, head % cache.KvHeads);
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, Math.Max(1e-6, 1e-3 * Math.Abs(pair.First))));
        }
    }
}
