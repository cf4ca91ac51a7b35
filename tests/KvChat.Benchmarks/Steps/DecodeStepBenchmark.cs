using BenchmarkDotNet.Attributes;
using KvChat.Kernels;
using KvChat.Runtime.Models;
using KvChat.TestSupport;

namespace KvChat.Benchmarks.Steps;

/// <summary>
/// A whole decode step: every sequence reads one token and its logits are fetched. Allocated bytes must be 0. The model is the
/// embedded one, or the file that the environment variable KVCHAT_BENCH_MODEL names.
/// </summary>
[MemoryDiagnoser]
#pragma warning disable CA1001 // BenchmarkDotNet calls GlobalCleanup, never Dispose
public class DecodeStepBenchmark
#pragma warning restore CA1001
{
    private LoadedModel _model = null!;
    private StepRunner _runner = null!;
    private int[] _tokens = [];
    private float[] _logits = [];

    /// <summary>Tokens in the cache of each sequence.</summary>
    [Params(512, 4096)]
    public int Depth { get; set; }

    [Params(1, 8)]
    public int Sequences { get; set; }

    [GlobalSetup]
    public void Load()
    {
        const int Room = 1024, Piece = 512;
        _model = LoadedModel.Load(Environment.GetEnvironmentVariable("KVCHAT_BENCH_MODEL") ?? SharedFiles.EmbeddedModel);
        _runner = new StepRunner(_model.Transformer, Sequences, Depth + Room, Piece, Sequences, KvFormat.F16);
        var random = new Random(1);
        int[] document = [.. Enumerable.Range(0, Depth).Select(_ => random.Next(_model.Configuration.VocabularySize))];
        for (int s = 0; s < Sequences; s++)
        {
            for (int at = 0; at < Depth; at += Piece)
                _runner.Read(s, document.AsSpan(at, Math.Min(Piece, Depth - at)));
        }

        _tokens = [.. Enumerable.Repeat(document[0], Sequences)];
        _logits = new float[_model.Configuration.VocabularySize];
    }

    [Benchmark]
    public float Step()
    {
        if (_runner.Length(0) == Depth + 1000)
            _runner.Truncate(Depth);
        _runner.ReadAll(_tokens, logits: true);
        for (int s = 0; s < Sequences; s++)
            _runner.ReadLogits(s, _logits);
        return _logits[0];
    }

    [GlobalCleanup]
    public void Free()
    {
        _runner.Dispose();
        _model.Dispose();
    }
}
