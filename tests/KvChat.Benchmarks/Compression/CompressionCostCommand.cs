using System.CommandLine;
using System.Globalization;
using KvChat.Models;
using KvChat.Runtime.Compression;

namespace KvChat.Benchmarks.Compression;

/// <summary>
/// The command <c>compression-cost</c>: what compression takes of reading, of answering, and where nothing is to be evicted. Two settings of a pair run turn about, so that what else the
/// machine does meets both. Times are sums over steps, of each the fastest over all turns: a step that was interrupted does not count, however often it happens to one of the two.
/// </summary>
public static class CompressionCostCommand
{
    private const double PrefillAim = 0.1, DecodeAim = 0.03, NothingAim = 0.03;

    public static Command Create()
    {
        var model = new Option<string>("--model") { DefaultValueFactory = _ => KvCompressChatOptions.EmbeddedModel, Description = "GGUF file, or 'embedded'" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var prompt = new Option<int>("--prompt") { DefaultValueFactory = _ => 4000, Description = "tokens of the prompt" };
        var generate = new Option<int>("--generate") { DefaultValueFactory = _ => 257, Description = "tokens of the answer" };
        var repetitions = new Option<int>("--repetitions") { DefaultValueFactory = _ => 9, Description = "turns of each pair, after one warm-up" };
        var retained = new Option<double>("--retained") { DefaultValueFactory = _ => 0.25, Description = "share of KVs kept" };
        var policies = new Option<string[]>("--policy") { DefaultValueFactory = _ => [.. CompressionPolicies.Names.Skip(1)], AllowMultipleArgumentsPerToken = true, Description = "policies, instead of all" };
        var processor = new Option<bool>("--processor-time") { Description = "count the process's processor time rather than the clock's, where others use the machine; with --threads 1, as waiting workers count too" };
        policies.AcceptOnlyFromAmong([.. CompressionPolicies.Names.Skip(1)]);
        foreach (Option<int> positive in (Option<int>[])[prompt, generate, repetitions])
        {
            positive.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1)
                    result.AddError($"{positive.Name} is {result.GetValueOrDefault<int>()}; it must be 1 or more.");
            });
        }

        var command = new Command("compression-cost", "What compression takes of reading and answering, in pairs with the same without it.") { model, threads, prompt, generate, repetitions, retained, policies, processor };
        command.SetAction(parsed =>
        {
            string path = ModelReference.Parse(parsed.GetValue(model)!) is FileReference file ? file.Path : throw new ArgumentException($"--model is {parsed.GetValue(model)}; it must be a file or 'embedded'.");
            using var subject = new CostSubject(path, parsed.GetValue(threads), parsed.GetValue(prompt), parsed.GetValue(generate), parsed.GetValue(processor));
            Console.WriteLine($"{subject.Name}, {parsed.GetValue(prompt)} tokens of prompt, {parsed.GetValue(generate)} of answer, {parsed.GetValue(retained)} retained; each step the fastest of {parsed.GetValue(repetitions)} turns\n");
            return Run(subject, parsed.GetValue(policies)!, parsed.GetValue(retained), parsed.GetValue(repetitions));
        });
        return command;
    }

    /// <summary>Prints the table; the exit code is 1 where an aim is missed.</summary>
    private static int Run(CostSubject subject, string[] policies, double retained, int repetitions)
    {
        Console.WriteLine("| what | without, ms | with, ms | cost | scoring, ms | selecting, ms | moving, ms | aim |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        bool holds = true;
        foreach (string policy in policies)
        {
            var on = new KvCompression { Policy = policy, RetainedRatio = retained };
            List<(CostRun Without, CostRun With)> pairs = Pairs(subject, KvCompression.Off, on, repetitions);
            holds &= Print($"prefill, {policy}", pairs, r => r.Prefill, r => r.PrefillTimes, CompressionPolicies.Get(policy).Scorer.Repeats ? null : PrefillAim);
            pairs = Pairs(subject, on with { DecodeInterval = 0 }, on with { DecodeInterval = 64 }, repetitions);
            holds &= Print($"decode, {policy} every 64", pairs, r => r.Decode, r => r.DecodeTimes, DecodeAim);
        }

        var nothing = new KvCompression { RetainedKvs = int.MaxValue };
        List<(CostRun, CostRun)> whole = Pairs(subject, KvCompression.Off, nothing, repetitions);
        holds &= Print("1x, a budget above the length: prefill", whole, r => r.Prefill, r => r.PrefillTimes, NothingAim);
        holds &= Print("1x, a budget above the length: decode", whole, r => r.Decode, r => r.DecodeTimes, NothingAim);
        whole = Pairs(subject, KvCompression.Off, new KvCompression { RetainedRatio = 1 }, repetitions);
        holds &= Print("1x, a ratio of 1: whole", whole, r => [.. r.Prefill, .. r.Decode], r => r.PrefillTimes + r.DecodeTimes, NothingAim);
        return holds ? 0 : 1;
    }

    private static List<(CostRun Without, CostRun With)> Pairs(CostSubject subject, KvCompression without, KvCompression with, int repetitions)
    {
        List<(CostRun, CostRun)> pairs = [];
        for (int i = 0; i <= repetitions; i++)
        {
            bool first = i % 2 == 0;
            CostRun before = subject.Measure(first ? without : with), after = subject.Measure(first ? with : without);
            if (i > 0)
                pairs.Add(first ? (before, after) : (after, before));
        }

        return pairs;
    }

    private static bool Print(string what, List<(CostRun Without, CostRun With)> pairs, Func<CostRun, IReadOnlyList<double>> steps, Func<CostRun, CompressionTimes> parts, double? aim)
    {
        double without = Fastest(pairs.Select(p => steps(p.Without))), with = Fastest(pairs.Select(p => steps(p.With))), cost = (with / without) - 1;
        CompressionTimes times = pairs.Select(p => parts(p.With)).MinBy(t => t.Total);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {what} | {without:0.0} | {with:0.0} | {cost * 100:0.0} % | {times.Scoring.TotalMilliseconds:0.00} | {times.Selecting.TotalMilliseconds:0.00} | {times.Moving.TotalMilliseconds:0.00} | {(aim is { } most ? $"{most * 100:0} %" : "")} |"));
        return aim is null || cost <= aim;
    }

    /// <summary>The sum of each step's fastest turn.</summary>
    private static double Fastest(IEnumerable<IReadOnlyList<double>> turns)
    {
        IReadOnlyList<double>[] all = [.. turns];
        return Enumerable.Range(0, all.Min(t => t.Count)).Sum(i => all.Min(t => t[i]));
    }
}
