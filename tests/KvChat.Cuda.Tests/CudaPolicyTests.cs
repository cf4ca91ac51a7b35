using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>Every compression policy on the device: it scores and keeps what it does on the processor.</summary>
public sealed class CudaPolicyTests
{
    // Halves are read on tensor cores, singles plainly.
    public static TheoryData<string, KvFormat> Policies
    {
        get
        {
            TheoryData<string, KvFormat> data = [];
            foreach (string name in CompressionPolicies.Names.Where(name => name != CompressionPolicies.Off))
            {
                data.Add(name, KvFormat.F16);
                data.Add(name, KvFormat.F32);
            }

            return data;
        }
    }

    [EmulatorTheory]
    [MemberData(nameof(Policies))]
    public void A_policy_scores_and_keeps_what_it_does_on_the_processor(string policy, KvFormat format)
    {
        (float[][] scores, int[][] kept) = Run(RandomModel.Backend(), policy, format);
        (float[][] scoresOnDevice, int[][] keptOnDevice) = Run(FakeDriver.Open(), policy, format);
        foreach ((float[] expected, float[] actual) in scores.Zip(scoresOnDevice))
        {
            float scale = expected.Max(Math.Abs);
            foreach ((float one, float other) in expected.Zip(actual))
                Assert.InRange(other, one - Bound(one), one + Bound(one));

            // A half of a key may be rounded the other way.
            float Bound(float score) => (format == KvFormat.F16 ? 2e-3f : 1e-4f) * (Math.Abs(score) + (1e-2f * scale));
        }

        Assert.Equal(kept, keptOnDevice);
        Assert.Contains(kept, head => head.Length < Reader.Tokens);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    private static (float[][] Scores, int[][] Kept) Run(IComputeBackend backend, string policy, KvFormat format)
    {
        using IComputeBackend owned = backend;
        using Reader reader = new(backend, policy, format);
        reader.Read();
        float[][] scores = reader.Scores();
        return (scores, reader.Compress());
    }

    /// <summary>A prompt in two pieces and two tokens of an answer, observed as a policy wants it.</summary>
    private sealed class Reader : IDisposable
    {
        public const int Tokens = 160;
        private const int Window = 40;

        private readonly TransformerModel _model;
        private readonly KvArena _arena;
        private readonly ForwardPass _pass;
        private readonly SequenceCache _cache;
        private readonly KvCompression _settings;
        private readonly IKvScorer _scorer;
        private readonly ScoringModel _scoring;

        public Reader(IComputeBackend backend, string policy, KvFormat format)
        {
            _model = RandomModel.Create(backend, seed: 3);
            TransformerConfiguration shape = _model.Configuration;
            _arena = backend.CreateArena(new KvArenaShape(shape.HeadDim, 16, shape.TotalKvHeads * 32));
            _pass = new ForwardPass(_model, _arena, Tokens, 1);
            _cache = new SequenceCache(new PagePool(_arena), shape.Layers, shape.KvHeads, format);
            _settings = new KvCompression { Policy = policy, RetainedRatio = 0.5, ObservationWindow = 24, ProtectedTokens = 16, Format = format };
            _scorer = CompressionPolicies.Get(policy).Scorer;
            _scoring = new ScoringModel(_model, poolWidth: 5);
        }

        public void Dispose()
        {
            _cache.Dispose();
            _pass.Dispose();
            _arena.Dispose();
            _model.Dispose();
        }

        public void Read()
        {
            bool everyRow = _scorer.Repeats || _scorer.ObservesAllRows;
            Observation row = _scorer.ObserveRow(_settings);
            Step(0, Tokens - Window, everyRow ? row : Observation.None);
            Step(Tokens - Window, Window, everyRow ? row : _scorer.ObservePrompt(_settings, _scoring.PoolWidth));
            for (int i = 0; i < 2; i++)
                Step(Tokens + i, 1, _scorer.ObserveDecode(_settings));
        }

        public float[][] Scores() => [.. Enumerable.Range(0, _cache.Layers * _cache.KvHeads).Select(head =>
        {
            float[] scores = new float[_cache.KeptPerHead[head]];
            _scorer.ReadScores(new ScoredHead(_cache, head / _cache.KvHeads, head % _cache.KvHeads, _settings, _scoring), scores);
            return scores;
        })];

        public int[][] Compress()
        {
            ScoreHistory history = ScoreHistory.OfWindow(Tokens - Window, Tokens).WithAdded(Tokens, Tokens + 2);
            Assert.True(new SequenceCompressor(_scoring).TryCompress(_cache, _settings, [], Tokens + 2, history, out _));
            return [.. Enumerable.Range(0, _cache.Layers * _cache.KvHeads).Select(head =>
            {
                int[] positions = new int[_cache.KeptPerHead[head]];
                _cache.ReadPositions(head / _cache.KvHeads, head % _cache.KvHeads, positions);
                return positions;
            })];
        }

        private void Step(int start, int rows, Observation observation)
        {
            int[] tokens = [.. Enumerable.Range(start, rows).Select(i => 2 + (i * 7 % 60))];
            Assert.True(_cache.TryReserve(rows));
            KvBatch batch = new()
            {
                Sequences =
                [
                    new SequenceSlice
                    {
                        FirstRow = 0,
                        RowCount = rows,
                        Format = _cache.Format,
                        Observation = observation.Mode,
                        ObservedRows = observation.Mode == ObservationMode.None ? 0 : Math.Min(observation.Rows, rows),
                        PoolWidth = observation.PoolWidth,
                        Squared = observation.Squared,
                        Largest = observation.Largest,
                        LargestOfGroup = observation.LargestOfGroup,
                        AveragePool = observation.AveragePool,
                    },
                ],
                SequenceCount = 1,
                RowCount = rows,
                Positions = [.. Enumerable.Range(start, rows)],
                Heads = new HeadView[_cache.KvHeads],
            };
            _pass.Run(batch, [_cache], tokens, [], [observation.OverHidden && observation.Mode != ObservationMode.None]);
            _cache.Commit(rows);
        }
    }
}
