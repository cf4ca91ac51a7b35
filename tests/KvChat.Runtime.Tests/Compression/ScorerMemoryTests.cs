using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Stops while decoding: what scorers remember of old KVs, and what they find of new ones, against formulas in fp64.</summary>
public sealed class ScorerMemoryTests : IDisposable
{
    private const int Prompt = 90, Answer = 23, Total = Prompt + Answer;
    private static readonly int[] Text = [.. Enumerable.Range(0, Total).Select(i => 2 + (i * 7 % 60))];
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;
    private readonly StepRunner _runner, _whole;
    private readonly ScoringModel _scoring;
    private readonly ScorerMemory _memory = new();

    public ScorerMemoryTests()
    {
        _model = RandomModel.Create(_backend);
        _scoring = new ScoringModel(_model);
        _runner = new StepRunner(_model, 1, Total, Prompt, 1, KvFormat.F16);
        _whole = new StepRunner(_model, 1, Total, Prompt, 1, KvFormat.F16);
        _runner.Read(0, Text.AsSpan(0, Prompt));
        _whole.Read(0, Text.AsSpan(0, Prompt));
    }

    private SequenceCache Cache => _runner.Cache(0);

    private int HeadDim => _runner.Arena.Shape.HeadDim;

    public void Dispose()
    {
        _runner.Dispose();
        _whole.Dispose();
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData("knorm")]
    [InlineData("keydiff")]
    [InlineData("expected-attention")]
    public void A_stop_while_decoding_scores_what_is_there_and_expects_what_each_kv_met_first(string name)
    {
        IKvScorer scorer = CompressionPolicies.Get(name).Scorer;
        Scores(scorer);
        Evict();
        _runner.Read(0, Text.AsSpan(Prompt, Answer));
        float[][] later = Scores(scorer);
        double[][][] keys = Vectors(isKey: true), values = Vectors(isKey: false);
        for (int head = 0; head < later.Length; head++)
        {
            int[] positions = Positions(head);
            Assert.Equal(Answer, positions.Count(p => p >= Prompt));
            double[] expected = name switch
            {
                "knorm" => [.. keys[head].Select(k => -Length(k))],
                "keydiff" => KeyDiff(keys[head]),
                _ => ExpectedAttention(head, keys[head], values[head], positions),
            };
            Assert.All(expected.Zip(later[head]), pair => Assert.Equal(pair.First, pair.Second, 1e-3 * Math.Max(0.01, Math.Abs(pair.First))));
        }
    }

    [Fact]
    public void Kvzip_plus_measures_a_value_once_and_scores_as_if_it_had_measured_all_again()
    {
        var scorer = new RepeatScorer(weighsValues: true);
        Scores(scorer);
        Evict();
        _runner.Read(0, Text.AsSpan(Prompt, Answer));
        for (int head = 0; head < Cache.KeptPerHead.Count; head++)
        {
            HeadTable table = Cache.Table(head / Cache.KvHeads, head % Cache.KvHeads);
            float[] recorded = [.. Positions(head).Select(p => 0.1f + (p * 31 % 17))];
            _runner.Arena.WriteScores(table.View, KvFormat.F16, recorded);
            float[] fresh = new float[recorded.Length], remembered = new float[recorded.Length];
            scorer.ReadScores(Head(head, null), fresh);
            scorer.ReadScores(Head(head, _memory.Of(head, Cache.KeptPerHead.Count)), remembered);
            Assert.All(fresh.Zip(remembered), pair => Assert.Equal(pair.First, pair.Second, 1e-5 * pair.First));
            Assert.Contains(fresh, score => score > 0);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(25)]
    [InlineData(2 * Prompt + 1)]
    public void Kvzip_pools_by_any_width(int width)
    {
        float[] recorded = [.. Enumerable.Range(0, Prompt).Select(i => (i * 37 % 91) + 0.5f)], actual = new float[Prompt];
        _runner.Arena.WriteScores(Cache.Table(0, 0).View, KvFormat.F16, recorded);
        new RepeatScorer().ReadScores(Head(0, null) with { Settings = new KvCompression { PoolWidth = width } }, actual);
        Assert.Equal(Enumerable.Range(0, Prompt).Select(i => recorded[Math.Max(0, i - (width / 2))..Math.Min(Prompt, i + (width / 2) + 1)].Max()), actual);
    }

    [Fact]
    public void Numbers_are_found_again_by_position_when_kvs_have_gone_or_moved_to_the_right_end()
    {
        var memory = new HeadMemory();
        float[] numbers = new float[7], pairs = new float[6];
        Assert.Equal(0, memory.Recall([3, 4, 9], 0, numbers.AsSpan(0, 3)));
        memory.Remember([2, 6, 1, 3, 5, 8, 9], 2, [20, 60, 10, 30, 50, 80, 90]);
        Assert.Equal(5, memory.Recall([2, 5, 6, 3, 8, 10, 11], 3, numbers));
        Assert.Equal([20, 50, 60, 30, 80], numbers[..5]);
        Assert.Equal(0, memory.Recall([2, 7, 8, 9], 2, numbers.AsSpan(0, 4))); // unknown at the right end: all must be found
        Assert.Equal(4, memory.Recall([1, 3, 8, 9], 0, numbers.AsSpan(0, 4)));
        memory.Remember([1, 3, 5], 0, [10, 30, 50, 11, 31, 51]);
        Assert.Equal(2, memory.Recall([3, 5, 7], 0, pairs));
        Assert.Equal([30, 50, 0, 31, 51, 0], pairs);
        memory.Clear();
        Assert.Equal(0, memory.Recall([1, 3], 0, numbers));
    }

    [Fact]
    public void A_stop_of_the_prompt_looks_at_all_kvs_again()
    {
        KvCompression settings = new() { Policy = "keydiff", RetainedRatio = 0.5, ProtectedTokens = 4 };
        var compressor = new SequenceCompressor(_scoring);
        foreach (StepRunner runner in (StepRunner[])[_runner, _whole])
        {
            ScorerMemory? memory = runner == _runner ? _memory : null;
            Assert.True(compressor.TryCompress(runner.Cache(0), settings, [], Prompt, ScoreHistory.OfWindow(Prompt - 8, Prompt), out _, memory));
            runner.Read(0, Text.AsSpan(Prompt, Answer));
            Assert.True(compressor.TryCompress(runner.Cache(0), settings with { RetainedRatio = 0.25 }, [], Total, ScoreHistory.OfWindow(Total - 8, Total), out _, memory));
        }

        for (int head = 0; head < Cache.KeptPerHead.Count; head++)
            Assert.Equal(Positions(head, _whole), Positions(head));
    }

    private static double Length(double[] vector) => Math.Sqrt(vector.Sum(x => x * x));

    private static double[] KeyDiff(double[][] keys)
    {
        double[] mean = [.. Enumerable.Range(0, keys[0].Length).Select(d => keys.Average(k => k[d] / Length(k)))];
        return [.. keys.Select(key => -key.Zip(mean, (a, b) => a * b).Sum() / Length(key) / Length(mean))];
    }

    // Logits of old KVs are those of the prompt's stop.
    private double[] ExpectedAttention(int head, double[][] keys, double[][] values, int[] positions)
    {
        TransformerConfiguration shape = _model.Configuration;
        int group = shape.QueryHeads / shape.KvHeads, layer = head / shape.KvHeads;
        double[] sum = new double[keys.Length];
        for (int member = 0; member < group; member++)
        {
            QueryMoments moments = _scoring.Queries.Of(layer, (head % shape.KvHeads * group) + member);
            double[] weights = [.. keys.Select((key, i) => Math.Exp(Logit(key, moments, positions[i] < Prompt ? Prompt : Total)))];
            sum = [.. sum.Zip(weights, (a, b) => a + (b / weights.Sum()))];
        }

        return [.. sum.Zip(values, (s, v) => ((s / group) + 0.01) * Length(v))];
    }

    // Queries of the 512 positions from a start on, averaged one by one.
    private double Logit(double[] key, QueryMoments moments, int start)
    {
        TransformerConfiguration shape = _model.Configuration;
        RotaryTable table = RotaryFrequencies.Of(shape.Rotaries[0]);
        int dim = key.Length, half = table.Frequencies.Length;
        double[] turned = [.. key];
        for (int i = 0; i < half; i++)
        {
            double cosine = Enumerable.Range(start, 512).Average(p => Math.Cos(p * table.Frequencies[i])), sine = Enumerable.Range(start, 512).Average(p => Math.Sin(p * table.Frequencies[i]));
            (turned[i], turned[i + half]) = ((key[i] * cosine) + (key[i + half] * sine), (key[i + half] * cosine) - (key[i] * sine));
        }

        double scale = shape.AttentionScale, spread = Enumerable.Range(0, dim * dim).Sum(i => moments.Covariance[i] * turned[i / dim] * turned[i % dim]);
        return (turned.Zip(moments.Mean, (a, b) => a * b).Sum() * scale) + (spread * scale * scale / 2);
    }

    private ScoredHead Head(int head, HeadMemory? memory) => new(Cache, head / Cache.KvHeads, head % Cache.KvHeads, new KvCompression(), _scoring, memory);

    private float[][] Scores(IKvScorer scorer) => [.. Enumerable.Range(0, Cache.KeptPerHead.Count).Select(head =>
    {
        float[] scores = new float[Cache.KeptPerHead[head]];
        scorer.ReadScores(Head(head, _memory.Of(head, Cache.KeptPerHead.Count)), scores);
        return scores;
    })];

    // Ragged: head h loses what is h in front of a multiple of 3 or 4, of the prompt.
    private void Evict()
    {
        bool[] keep = [.. Cache.KeptPerHead.SelectMany((length, head) => Enumerable.Range(0, length).Select(i => (i + head) % (3 + (head % 2)) != 0))];
        Assert.True(Cache.TryEvict(keep));
    }

    private int[] Positions(int head, StepRunner? runner = null)
    {
        SequenceCache cache = (runner ?? _runner).Cache(0);
        int[] positions = new int[cache.KeptPerHead[head]];
        cache.ReadPositions(head / cache.KvHeads, head % cache.KvHeads, positions);
        return positions;
    }

    private double[][][] Vectors(bool isKey) => [.. Enumerable.Range(0, Cache.KeptPerHead.Count).Select(head =>
    {
        float[] read = new float[Cache.KeptPerHead[head] * HeadDim];
        HeadView view = Cache.Table(head / Cache.KvHeads, head % Cache.KvHeads).View;
        if (isKey)
            _runner.Arena.ReadKeys(view, KvFormat.F16, read);
        else
            _runner.Arena.ReadValues(view, KvFormat.F16, read);
        return read.Chunk(HeadDim).Select(v => v.Select(x => (double)x).ToArray()).ToArray();
    })];
}
