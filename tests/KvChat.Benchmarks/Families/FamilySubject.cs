using System.Diagnostics;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Benchmarks.Families;

/// <summary>Tokens per second of one turn at a model: reading a prompt, and tokens one by one behind it.</summary>
public readonly record struct FamilyRates(double Prefill, double Decode);

/// <summary>A random model of a family, Q8_0, ready to be measured.</summary>
public sealed class FamilySubject : IDisposable
{
    private const int StepTokens = 512;

    private readonly CpuBackend _backend;
    private readonly TransformerModel _model;
    private readonly StepRunner _runner;
    private readonly int[] _tokens;
    private readonly float[] _logits;
    private readonly int _prompt, _generate;

    /// <param name="family">One of <see cref="RandomFamily.Names"/>.</param>
    /// <param name="shape">Its size.</param>
    /// <param name="threads">Worker threads; 0 for one per processor.</param>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="generate">Tokens read one by one behind it.</param>
    public FamilySubject(string family, FamilyShape shape, int threads, int prompt, int generate)
    {
        (_prompt, _generate) = (prompt, generate);
        RandomFamily written = RandomFamily.Write(family, shape, WeightFormat.Q8_0);
        (Parameters, ActiveParameters) = (written.Parameters, written.ActiveParameters);
        using GgufFile file = GgufFile.Open(written.File);
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        _backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        _model = TransformerModel.Load(configuration, TensorNames.Gguf, new GgufWeightSource(file), _backend, GgufConfiguration.HasPairedRows(configuration.Architecture));
        _runner = new StepRunner(_model, 1, prompt + generate + 1, StepTokens, 1, KvFormat.F16);
        var random = new Random(1);
        _tokens = [.. Enumerable.Range(0, prompt + generate).Select(_ => random.Next(configuration.VocabularySize))];
        _logits = new float[configuration.VocabularySize];
    }

    /// <summary>Parameters in the file.</summary>
    public long Parameters { get; }

    /// <summary>Those that a token goes through.</summary>
    public long ActiveParameters { get; }

    /// <summary>Reads the prompt, then the tokens behind it.</summary>
    public FamilyRates Measure()
    {
        _runner.Truncate(0);
        long start = Stopwatch.GetTimestamp();
        for (int done = 0; done < _prompt;)
        {
            int rows = Math.Min(StepTokens, _prompt - done);
            done += rows;
            _runner.Read(0, _tokens.AsSpan(done - rows, rows), done == _prompt ? 1 : 0);
        }

        _runner.ReadLogits(0, _logits);
        double prefill = _prompt / Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < _generate; i++)
        {
            _runner.Read(0, _tokens.AsSpan(_prompt + i, 1), 1);
            _runner.ReadLogits(0, _logits);
        }

        return new FamilyRates(prefill, _generate / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _runner.Dispose();
        _model.Dispose();
        _backend.Dispose();
    }
}
