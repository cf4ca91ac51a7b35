using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using KvChat.Kernels;

namespace KvChat.Benchmarks.Model;

/// <summary>The command <c>model</c>.</summary>
public static class ModelCommand
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static Command Create()
    {
        var model = new Option<FileInfo>("--model") { Required = true, Description = "GGUF file" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var prompt = new Option<int>("--prompt") { DefaultValueFactory = _ => 512, Description = "tokens of the prompt test; 0 leaves it out" };
        var generate = new Option<int>("--generate") { DefaultValueFactory = _ => 128, Description = "tokens of the answer test; 0 leaves it out" };
        var depth = new Option<int>("--depth") { DefaultValueFactory = _ => 0, Description = "tokens in the cache before either test" };
        var sequences = new Option<int>("--sequences") { DefaultValueFactory = _ => 1, Description = "sequences side by side" };
        var repetitions = new Option<int>("--repetitions") { DefaultValueFactory = _ => 5, Description = "measurements of each test, after one warm-up" };
        var format = new Option<KvFormat>("--format") { DefaultValueFactory = _ => KvFormat.F16, Description = "how KVs are stored" };
        var json = new Option<FileInfo?>("--json") { Description = "where the result goes as JSON" };
        model.AcceptExistingOnly();
        AtLeast(1, sequences, repetitions);
        AtLeast(0, threads, prompt, generate, depth);
        var command = new Command("model", "Prompt and answer tokens per second of a model file, as llama-bench measures them.")
        {
            model, threads, prompt, generate, depth, sequences, repetitions, format, json,
        };
        command.SetAction(parsed => Run(
            new ModelBenchmarkSettings
            {
                Model = parsed.GetValue(model)!.FullName,
                Threads = parsed.GetValue(threads),
                Prompt = parsed.GetValue(prompt),
                Generate = parsed.GetValue(generate),
                Depth = parsed.GetValue(depth),
                Sequences = parsed.GetValue(sequences),
                Repetitions = parsed.GetValue(repetitions),
                Format = parsed.GetValue(format),
            },
            parsed.GetValue(json)));
        return command;
    }

    private static int Run(ModelBenchmarkSettings settings, FileInfo? json)
    {
        ModelBenchmarkResult result;
        try
        {
            using var benchmark = new ModelBenchmark(settings);
            result = benchmark.Run(static what => Console.Error.WriteLine(what));
        }
        catch (ArgumentException error)
        {
            Console.Error.WriteLine(error.Message);
            return 2;
        }

        Console.WriteLine($"{result.Model} on {result.Backend}, depth {result.Depth}, {result.Sequences} sequence(s), KVs in {result.Format}");
        Print($"prompt of {result.Prompt}", result.PromptTokensPerSecond);
        Print($"answer of {result.Generate}", result.GeneratedTokensPerSecond);
        if (json is not null)
            File.WriteAllText(json.FullName, JsonSerializer.Serialize(result, s_json));
        return 0;
    }

    private static void Print(string test, Rate? rate)
    {
        if (rate is not null)
            Console.WriteLine($"{test,-16} {rate.Mean,10:0.00} ± {rate.Deviation:0.00} tokens/s");
    }

    private static void AtLeast(int least, params Option<int>[] options)
    {
        foreach (Option<int> option in options)
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < least)
                    result.AddError($"{option.Name} is {result.GetValueOrDefault<int>()}; it must be {least} or more.");
            });
        }
    }
}
