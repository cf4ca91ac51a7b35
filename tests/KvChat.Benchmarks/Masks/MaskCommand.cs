using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;
using KvChat.TestSupport;

namespace KvChat.Benchmarks.Masks;

/// <summary>The command <c>masks</c>: what holding an answer to a schema costs beside the model's own step, token by token.</summary>
public static class MaskCommand
{
    public static Command Create()
    {
        var model = new Option<FileInfo>("--model") { Required = true, Description = "GGUF file" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var requests = new Option<int>("--requests") { DefaultValueFactory = _ => 5, Description = "answers under each schema; the first finds no masks that are its own" };
        model.AcceptExistingOnly();
        requests.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() < 1)
                r.AddError($"--requests is {r.GetValueOrDefault<int>()}; it must be 1 or more.");
        });
        var command = new Command("masks", "Microseconds of masks against microseconds of decode steps, under a few schemas.") { model, threads, requests };
        command.SetAction(parsed => Run(parsed.GetValue(model)!.FullName, parsed.GetValue(threads), parsed.GetValue(requests)));
        return command;
    }

    private static int Run(string path, int threads, int requests)
    {
        using LoadedModel model = LoadedModel.Load(path, new CpuBackendOptions { Threads = threads });
        using var runner = new StepRunner(model.Transformer, 1, 1_024, 1, 1, KvFormat.F16);
        var masker = new TokenMasker(model.Tokenizer);
        var compiler = new ConstraintCompiler();
        Answer(model, runner, masker, new ConstraintCompiler(), MaskDocuments.All[0]); // warm-up of the model and the code
        Console.WriteLine("schema        request  tokens  compile us  mask us, mean  worst  step us, mean  share");
        double masks = 0, steps = 0;
        foreach ((string Name, string Schema, string Answer) document in MaskDocuments.All)
        {
            for (int request = 1; request <= requests; request++)
            {
                Timings t = Answer(model, runner, masker, compiler, document);
                (masks, steps) = (masks + t.Masks.Sum(), steps + t.Steps.Sum());
                if (request == 1 || request == requests)
                    Console.WriteLine($"{document.Name,-12}  {request,7}  {t.Masks.Count,6}  {t.Compile,10:0}  {t.Masks.Average(),13:0.0}  {t.Masks.Max(),5:0}  {t.Steps.Average(),13:0}  {t.Masks.Sum() / t.Steps.Sum(),5:P1}");
            }
        }

        Console.WriteLine($"all: masks take {masks / steps:P2} of the decode steps");
        return 0;
    }

    private static Timings Answer(LoadedModel model, StepRunner runner, TokenMasker masker, ConstraintCompiler compiler, (string Name, string Schema, string Answer) document)
    {
        Tokenizer tokenizer = model.Tokenizer;
        long start = Stopwatch.GetTimestamp();
        Constraint constraint = compiler.FromJsonSchema(JsonDocument.Parse(document.Schema).RootElement);
        double compile = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        var held = new TokenConstraint(masker, tokenizer, constraint, 1_000);
        var logits = new float[model.Configuration.VocabularySize];
        int[] step = [tokenizer.Encode(" ", allowSpecial: false).Ids[0]];
        var timings = new Timings(compile, [], []);
        runner.Truncate(0);
        foreach (int token in tokenizer.Encode(document.Answer, allowSpecial: false).Ids)
        {
            start = Stopwatch.GetTimestamp();
            runner.ReadAll(step, logits: true);
            runner.ReadLogits(0, logits);
            timings.Steps.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            start = Stopwatch.GetTimestamp();
            held.Apply(logits);
            held.Accept(token);
            timings.Masks.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            step[0] = token;
        }

        return held.IsComplete ? timings : throw new InvalidOperationException($"The answer under '{document.Name}' is not complete.");
    }

    private sealed record Timings(double Compile, List<double> Masks, List<double> Steps);
}
