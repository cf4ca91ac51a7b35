using System.Diagnostics;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models;
using KvChat.TestSupport;

namespace KvChat.Benchmarks.Model;

/// <summary>
/// Prompt and answer rates of a model file, measured like llama.cpp's <c>llama-bench</c>: two separate tests over random tokens, each
/// warmed up once; the prompt test asks for the last token's logits, the answer test reads one token a step and asks for the logits of each.
/// Nothing is sampled.
/// </summary>
public sealed class ModelBenchmark : IDisposable
{
    private readonly ModelBenchmarkSettings _settings;
    private readonly LoadedModel _model;
    private readonly StepRunner _runner;
    private readonly int[] _tokens, _step;
    private readonly float[] _logits;

    public ModelBenchmark(ModelBenchmarkSettings settings)
    {
        _settings = settings;
        _model = LoadedModel.Load(settings.Model, new CpuBackendOptions { Threads = settings.Threads });
        int longest = settings.Depth + Math.Max(settings.Prompt, settings.Generate) + 1, context = _model.Configuration.ContextLength;
        if (longest > context)
            throw new ArgumentException($"--depth {settings.Depth} with --prompt {settings.Prompt} and --generate {settings.Generate} needs {longest} tokens; the model's context is {context}.");
        int rows = Math.Max(settings.StepTokens, settings.Sequences);
        _runner = new StepRunner(_model.Transformer, settings.Sequences, longest, rows, settings.Sequences, settings.Format);
        var random = new Random(1);
        _tokens = [.. Enumerable.Range(0, longest).Select(_ => random.Next(_model.Configuration.VocabularySize))];
        _step = new int[settings.Sequences];
        _logits = new float[_model.Configuration.VocabularySize];
    }

    /// <summary>Runs both tests.</summary>
    /// <param name="progress">Told what runs next.</param>
    public ModelBenchmarkResult Run(Action<string> progress)
    {
        Rate? prompt = null, generated = null;
        ReadDepth();
        if (_settings.Prompt > 0)
            prompt = Measure("prompt", _settings.Prompt, ReadPrompt, progress);
        if (_settings.Generate > 0)
            generated = Measure("answer", _settings.Generate, Generate, progress);
        return new ModelBenchmarkResult(
            _model.Name, _model.Transformer.Backend.Name, _settings.Threads, _settings.Prompt, _settings.Generate, _settings.Depth, _settings.Sequences,
            _settings.Format.ToString().ToUpperInvariant(), prompt, generated);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _model.Dispose();
    }

    private Rate Measure(string test, int tokens, Action run, Action<string> progress)
    {
        progress($"{test}: warm-up");
        run();
        var samples = new double[_settings.Repetitions];
        for (int i = 0; i < samples.Length; i++)
        {
            progress($"{test}: {i + 1} of {samples.Length}");
            _runner.Truncate(_settings.Depth);
            long start = Stopwatch.GetTimestamp();
            run();
            samples[i] = (double)tokens * _settings.Sequences / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        _runner.Truncate(_settings.Depth);
        return Rate.From(samples);
    }

    private void ReadDepth()
    {
        for (int s = 0; s < _settings.Sequences; s++)
            ReadPieces(s, 0, _settings.Depth, logits: false);
    }

    private void ReadPrompt()
    {
        _runner.Truncate(_settings.Depth);
        for (int s = 0; s < _settings.Sequences; s++)
            ReadPieces(s, _settings.Depth, _settings.Prompt, logits: true);
    }

    private void ReadPieces(int sequence, int start, int count, bool logits)
    {
        for (int done = 0; done < count;)
        {
            int rows = Math.Min(_settings.StepTokens, count - done);
            bool last = done + rows == count;
            _runner.Read(sequence, _tokens.AsSpan(start + done, rows), logits && last ? 1 : 0);
            if (logits && last)
                _runner.ReadLogits(0, _logits);
            done += rows;
        }
    }

    private void Generate()
    {
        _runner.Truncate(_settings.Depth);
        for (int i = 0; i < _settings.Generate; i++)
        {
            _step.AsSpan().Fill(_tokens[_settings.Depth + i]);
            _runner.ReadAll(_step, logits: true);
            for (int s = 0; s < _step.Length; s++)
                _runner.ReadLogits(s, _logits);
        }
    }
}
