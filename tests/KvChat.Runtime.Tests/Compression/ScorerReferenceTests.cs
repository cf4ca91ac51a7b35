using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Scores that attention records, and those that need the model, against their formulas in fp64 over the whole matrix.</summary>
public sealed class ScorerReferenceTests : IDisposable
{
    private const int Tokens = 96, PoolWidth = 5;
    private readonly CpuBackend _backend = TestSupport.RandomModel.Backend();
    private readonly TransformerModel _model;
    private readonly TransformerConfiguration _shape;
    private readonly KvArena _arena;
    private readonly PagePool _pool;
    private readonly ForwardPass _pass;
    private readonly SequenceCache _cache;
    private readonly float[][][] _queries; // rotated, [layer][row][all query heads]
    private readonly double[][] _hidden; // length of what a layer gets, [layer][row]

    public ScorerReferenceTests()
    {
        _model = TestSupport.RandomModel.Create(_backend);
        _shape = _model.Configuration;
        _arena = _backend.CreateArena(new KvArenaShape(_shape.HeadDim, 16, _shape.TotalKvHeads * 16));
        _pool = new PagePool(_arena);
        _pass = new ForwardPass(_model, _arena, Tokens, 1);
        _cache = new SequenceCache(_pool, _shape.Layers, _shape.KvHeads, KvFormat.F32);
        _queries = [.. Enumerable.Range(0, _shape.Layers).Select(_ => new float[Tokens][])];
        _hidden = [.. Enumerable.Range(0, _shape.Layers).Select(_ => new double[Tokens])];
    }

    public void Dispose()
    {
        _cache.Dispose();
        _pass.Dispose();
        _arena.Dispose();
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Kv_compress_pools_the_squares_of_each_head_and_adds_over_the_group() => AssertRecorded(
        new AttentionScorer(), 8, rows => Pooled(Sum(rows, a => a * a), PoolWidth, mean: false), group => group.Sum());

    [Fact]
    public void Snapkv_pools_the_mean_of_plain_weights() => AssertRecorded(
        new SnapKvScorer(), 64, rows => Pooled(Sum(rows, a => a), 5, mean: true), group => group.Sum());

    [Fact]
    public void Leankv_pools_sums_and_takes_the_largest_of_the_group() => AssertRecorded(new LeanKvScorer(), 64, rows => Pooled(Sum(rows, a => a), PoolWidth, mean: false), group => group.Max());

    [Fact]
    public void Tova_takes_the_last_query() => AssertRecorded(new LastQueryScorer(), 1, rows => Sum(rows, a => a), group => group.Sum());

    [Fact]
    public void H2o_adds_over_all_queries() => AssertRecorded(new RunningSumScorer(), Tokens, rows => Sum(rows, a => a), group => group.Sum(), everyRow: true);

    [Fact]
    public void Kvzip_takes_the_largest_weight_and_pools_it() =>
        AssertRecorded(new RepeatScorer(), Tokens, Largest, group => group.Max(), everyRow: true, poolsScores: true);

    [Fact]
    public void Kvzip_plus_weighs_rows_by_hidden_states_and_scores_by_values() =>
        AssertRecorded(new RepeatScorer(weighsValues: true), Tokens, Largest, group => group.Max(), everyRow: true, poolsScores: true, plus: true);

    [Fact]
    public void Expected_attention_follows_from_the_moments_of_queries()
    {
        Read(Observation.None);
        var model = new ScoringModel(_model);
        for (int head = 0; head < _shape.TotalKvHeads; head++)
        {
            (int layer, int kvHead) = (head / _shape.KvHeads, head % _shape.KvHeads);
            float[] actual = new float[Tokens];
            new ExpectedAttentionScorer().ReadScores(new ScoredHead(_cache, layer, kvHead, new KvCompression(), model), actual);
            AssertNear(ExpectedAttention(layer, kvHead, model.Queries), actual, $"head {head}");
        }
    }

    [Fact]
    public void Moments_are_those_of_queries_before_rotation()
    {
        int[] text = [.. Enumerable.Range(0, 80).Select(i => 2 + (i * 11 % 60))];
        QueryStatistics measured = new ModelCalibration(() => text, folder: null).Queries(_model);
        Read(Observation.None, text);
        RotaryTable table = RotaryFrequencies.Of(_shape.Rotaries[0]);
        for (int layer = 0; layer < _shape.Layers; layer++)
        {
            double[][] queries = [.. Enumerable.Range(4, text.Length - 4).Select(t => Turned(Query(layer, t, 1), table, -t))];
            double[] mean = [.. Enumerable.Range(0, _shape.HeadDim).Select(d => queries.Average(q => q[d]))];
            AssertNear(mean, measured.Of(layer, 1).Mean, $"mean of layer {layer}", 2e-3);
            double[] row = [.. Enumerable.Range(0, _shape.HeadDim).Select(d => queries.Average(q => (q[0] - mean[0]) * (q[d] - mean[d])))];
            AssertNear(row, measured.Of(layer, 1).Covariance[.._shape.HeadDim], $"covariance of layer {layer}", 2e-3);
        }
    }

    [Fact]
    public void Statistics_are_kept_and_a_damaged_file_is_measured_again()
    {
        string folder = Directory.CreateTempSubdirectory("kvchat-").FullName;
        try
        {
            int[] text = [.. Enumerable.Range(0, 80).Select(i => 2 + (i * 11 % 60))];
            QueryStatistics first = new ModelCalibration(() => text, folder).Queries(_model);
            string file = Assert.Single(Directory.GetFiles(folder, "*.kvq"));
            Assert.Equal(first.ToBytes(), File.ReadAllBytes(file));
            Assert.Equal(first.ToBytes(), new ModelCalibration(() => text, folder).Queries(_model).ToBytes());
            byte[] damaged = File.ReadAllBytes(file)[..^7];
            Assert.Contains("bytes", Assert.Throws<ModelFileException>(() => QueryStatistics.FromBytes(damaged)).Message, StringComparison.Ordinal);
            File.WriteAllBytes(file, damaged);
            Assert.Equal(first.ToBytes(), new ModelCalibration(() => text, folder).Queries(_model).ToBytes());
            Assert.Equal(first.ToBytes(), File.ReadAllBytes(file));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double[] Sum(IEnumerable<double[]> rows, Func<double, double> of) => [.. rows.Aggregate(new double[Tokens], (s, r) => [.. s.Zip(r, (x, a) => x + of(a))])];

    private static double[] Largest(IEnumerable<double[]> rows) => [.. rows.Aggregate(new double[Tokens], (s, r) => [.. s.Zip(r, Math.Max)])];

    private static double[] Pooled(double[] x, int width, bool mean) => [.. Enumerable.Range(0, x.Length).Select(j =>
    {
        double[] near = x[Math.Max(0, j - (width / 2))..Math.Min(x.Length, j + (width / 2) + 1)];
        return mean ? near.Sum() / width : near.Max();
    })];

    private static double[] Turned(ReadOnlySpan<float> vector, RotaryTable table, double position)
    {
        double[] turned = [.. vector.ToArray().Select(x => (double)x)];
        for (int i = 0, half = table.Frequencies.Length; i < half; i++)
        {
            (double s, double c) = Math.SinCos(position * table.Frequencies[i]);
            (turned[i], turned[i + half]) = ((turned[i] * c) - (turned[i + half] * s), (turned[i + half] * c) + (turned[i] * s));
        }

        return turned;
    }

    private static void AssertNear(double[] expected, float[] actual, string what, double tolerance = 1e-3)
    {
        double scale = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(Math.Abs(expected[i]), 1e-3 * scale), $"{what}, {i}: {actual[i]} instead of {expected[i]}");
    }

    private void AssertRecorded(
        IKvScorer scorer, int window, Func<IEnumerable<double[]>, double[]> overRows, Func<IEnumerable<double>, double> overGroup, bool everyRow = false, bool poolsScores = false, bool plus = false)
    {
        KvCompression settings = new() { RetainedRatio = 0.5, ObservationWindow = window, PoolWidth = PoolWidth };
        Observation observation = everyRow ? scorer.ObserveRow(settings) : scorer.ObservePrompt(settings, PoolWidth);
        Read(observation with { Rows = window });
        int group = _shape.QueryHeads / _shape.KvHeads;
        for (int head = 0; head < _shape.TotalKvHeads; head++)
        {
            (int layer, int kvHead) = (head / _shape.KvHeads, head % _shape.KvHeads);
            double[][] members = [.. Enumerable.Range(kvHead * group, group).Select(q => overRows(
                Enumerable.Range(Tokens - window, window).Select(row => Weights(layer, kvHead, q, row, plus ? 1 / _hidden[layer][row] : 1))))];
            double[] expected = [.. Enumerable.Range(0, Tokens).Select(j => overGroup(members.Select(m => m[j])))];
            if (plus)
                expected = [.. expected.Zip(ValueLengths(layer, kvHead), (a, b) => a * b)];
            float[] actual = new float[Tokens];
            scorer.ReadScores(new ScoredHead(_cache, layer, kvHead, settings, new ScoringModel(_model)), actual);
            AssertNear(poolsScores ? Pooled(expected, PoolWidth, mean: false) : expected, actual, $"head {head}");
        }
    }

    private void Read(Observation observation, int[]? text = null)
    {
        int[] tokens = text ?? [.. Enumerable.Range(0, Tokens).Select(i => 2 + (i * 7 % 60))];
        _pass.AfterAppend = (layer, tensor) =>
        {
            for (int row = 0; row < tokens.Length; row++)
                _backend.Read(tensor, row, _queries[layer][row] = new float[tensor.Columns]);
        };
        Assert.True(_cache.TryReserve(tokens.Length));
        var batch = new KvBatch
        {
            Sequences =
            [
                new SequenceSlice
                {
                    FirstRow = 0, RowCount = tokens.Length, Format = KvFormat.F32, Observation = observation.Mode, ObservedRows = Math.Min(observation.Rows, tokens.Length), PoolWidth = observation.PoolWidth,
                    Squared = observation.Squared, Largest = observation.Largest, LargestOfGroup = observation.LargestOfGroup, AveragePool = observation.AveragePool,
                },
            ],
            SequenceCount = 1,
            RowCount = tokens.Length,
            Positions = [.. Enumerable.Range(0, tokens.Length)],
            Heads = new HeadView[_shape.KvHeads],
        };
        _pass.BeforeLayer = (layer, stream) =>
        {
            float[] row = new float[_shape.Width];
            for (int i = 0; i < tokens.Length; i++)
            {
                _backend.Read(stream, i, row);
                _hidden[layer][i] = Math.Sqrt(row.Sum(x => (double)x * x));
            }
        };
        _pass.Run(batch, [_cache], tokens, [], [observation.OverHidden]);
        _cache.Commit(tokens.Length);
    }

    private ReadOnlySpan<float> Query(int layer, int row, int head) => _queries[layer][row].AsSpan(head * _shape.HeadDim, _shape.HeadDim);

    private float[] Keys(int layer, int kvHead)
    {
        float[] keys = new float[Tokens * _shape.HeadDim];
        _arena.ReadKeys(_cache.Table(layer, kvHead).View, KvFormat.F32, keys);
        return keys;
    }

    private float[] Values(int layer, int kvHead)
    {
        float[] values = new float[Tokens * _shape.HeadDim];
        _arena.ReadValues(_cache.Table(layer, kvHead).View, KvFormat.F32, values);
        return values;
    }

    private double[] Weights(int layer, int kvHead, int queryHead, int row, double factor)
    {
        float[] keys = Keys(layer, kvHead);
        double[] query = [.. Query(layer, row, queryHead).ToArray().Select(x => (double)x)];
        double[] logits = [.. keys.Chunk(_shape.HeadDim).Take(row + 1).Select(k => query.Zip(k, (a, b) => a * b).Sum() * _shape.AttentionScale)];
        double most = logits.Max(), sum = logits.Sum(x => Math.Exp(x - most));
        return [.. logits.Select(x => factor * Math.Exp(x - most) / sum), .. new double[Tokens - row - 1]];
    }

    // The projection is read off the back end one unit vector at a time, and its columns are added here.
    private double[] ValueLengths(int layer, int kvHead)
    {
        int inputs = _shape.QueryHeads * _shape.HeadDim, group = _shape.QueryHeads / _shape.KvHeads;
        using DeviceTensor units = _backend.CreateTensor(inputs, inputs), outputs = _backend.CreateTensor(inputs, _shape.Width);
        float[][] columns = new float[inputs][];
        for (int i = 0; i < inputs; i++)
        {
            float[] unit = new float[inputs];
            unit[i] = 1;
            _backend.Write(units, i, unit);
        }

        _backend.Linear(new LinearOperation { Input = units, Rows = inputs, Weight = _model.Layers[layer].AttentionOutput, Output = outputs });
        for (int i = 0; i < inputs; i++)
            _backend.Read(outputs, i, columns[i] = new float[_shape.Width]);
        return [.. Values(layer, kvHead).Chunk(_shape.HeadDim).Select(v => Enumerable.Range(kvHead * group, group).Max(q =>
        {
            double[] added = new double[_shape.Width];
            for (int d = 0; d < v.Length; d++)
            {
                for (int w = 0; w < added.Length; w++)
                    added[w] += (double)v[d] * columns[(q * _shape.HeadDim) + d][w];
            }

            return Math.Sqrt(added.Sum(x => x * x));
        }))];
    }

    private double[] ExpectedAttention(int layer, int kvHead, QueryStatistics statistics)
    {
        int group = _shape.QueryHeads / _shape.KvHeads, dim = _shape.HeadDim;
        RotaryTable table = RotaryFrequencies.Of(_shape.Rotaries[0]);
        double[][] keys = [.. Keys(layer, kvHead).Chunk(dim).Select(k => k.Select(x => (double)x).ToArray())];
        double[] result = new double[Tokens];
        for (int q = kvHead * group; q < (kvHead + 1) * group; q++)
        {
            QueryMoments moments = statistics.Of(layer, q);
            double[] logits = [.. keys.Select(key =>
            {
                // The mean rotation of the query is the mean of turning the key the other way.
                double[] turned = new double[dim];
                for (int t = Tokens; t < Tokens + 512; t++)
                {
                    double[] one = Turned([.. key.Select(x => (float)x)], table, -t);
                    for (int d = 0; d < dim; d++)
                        turned[d] += one[d] / 512;
                }

                double mean = turned.Zip(moments.Mean, (a, b) => a * b).Sum(), spread = 0;
                for (int i = 0; i < dim; i++)
                {
                    for (int j = 0; j < dim; j++)
                        spread += turned[i] * moments.Covariance[(i * dim) + j] * turned[j];
                }

                return (mean * _shape.AttentionScale) + (spread * _shape.AttentionScale * _shape.AttentionScale / 2);
            })];
            double most = logits.Max(), sum = logits.Sum(x => Math.Exp(x - most));
            for (int j = 0; j < Tokens; j++)
                result[j] += Math.Exp(logits[j] - most) / sum / group;
        }

        return [.. result.Zip(Values(layer, kvHead).Chunk(dim), (s, v) => (s + 0.01) * Math.Sqrt(v.Sum(x => (double)x * x)))];
    }
}
