using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>A prompt in two pieces and two tokens of an answer, observed as a policy wants it.</summary>
internal sealed class PolicyReader : IDisposable
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

    public PolicyReader(IComputeBackend backend, string policy, KvFormat format)
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

    public SequenceCache Cache => _cache;

    public int HeadCount => _cache.Layers * _cache.KvHeads;

    public void Read()
    {
        bool everyRow = _scorer.Repeats || _scorer.ObservesAllRows;
        Observation row = _scorer.ObserveRow(_settings);
        Step(0, Tokens - Window, everyRow ? row : Observation.None);
        Step(Tokens - Window, Window, everyRow ? row : _scorer.ObservePrompt(_settings, _scoring.PoolWidth));
        for (int i = 0; i < 2; i++)
            Step(Tokens + i, 1, _scorer.ObserveDecode(_settings));
    }

    /// <summary>Puts scores in the place of those that were recorded.</summary>
    public void Write(Func<int, int, float> score)
    {
        for (int head = 0; head < HeadCount; head++)
        {
            int length = _cache.KeptPerHead[head];
            _arena.WriteScores(_cache.Table(head / _cache.KvHeads, head % _cache.KvHeads).View, _cache.Format, [.. Enumerable.Range(0, length).Select(i => score(head, i))]);
        }
    }

    public float[] Keys(int head)
    {
        float[] keys = new float[_cache.KeptPerHead[head] * _arena.Shape.HeadDim];
        _arena.ReadKeys(_cache.Table(head / _cache.KvHeads, head % _cache.KvHeads).View, _cache.Format, keys);
        return keys;
    }

    public float[][] Scores() => [.. Enumerable.Range(0, _cache.Layers * _cache.KvHeads).Select(head =>
    {
        float[] scores = new float[_cache.KeptPerHead[head]];
        _scorer.ReadScores(new ScoredHead(_cache, head / _cache.KvHeads, head % _cache.KvHeads, _settings, _scoring), scores);
        return scores;
    })];

    public int[][] Compress() => Compress(_settings, [], Tokens + 2, ScoreHistory.OfWindow(Tokens - Window, Tokens).WithAdded(Tokens, Tokens + 2));

    /// <summary>Compresses; returns the positions that each head has kept.</summary>
    public int[][] Compress(KvCompression settings, PromptSpan[] spans, int tokens, ScoreHistory history)
    {
        Assert.True(new SequenceCompressor(_scoring).TryCompress(_cache, settings, spans, tokens, history, out _));
        return [.. Enumerable.Range(0, _cache.Layers * _cache.KvHeads).Select(head =>
        {
            int[] positions = new int[_cache.KeptPerHead[head]];
            _cache.ReadPositions(head / _cache.KvHeads, head % _cache.KvHeads, positions);
            return positions;
        })];
    }

    public void Step(int start, int rows, Observation observation)
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
