using System.CommandLine;
using System.Globalization;
using KvChat.TestSupport;

namespace KvChat.Benchmarks.Families;

/// <summary>
/// The command <c>families</c>: every family against llama in the same size, turn about, so that what else the machine does meets both. Families with experts have the same
/// parameters at work on a token, not in the file.
/// </summary>
public static class FamiliesCommand
{
    /// <summary>No family may be slower than this share of llama.</summary>
    private const double Least = 0.8;

    // Llama is among them: its distance from 1.00 is what the figures are worth.
    private static readonly string[] s_families = [.. RandomFamily.Names.Where(n => n != "phi3-longrope")];

    public static Command Create()
    {
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var prompt = new Option<int>("--prompt") { DefaultValueFactory = _ => 1024, Description = "tokens of the prompt" };
        var generate = new Option<int>("--generate") { DefaultValueFactory = _ => 32, Description = "tokens read one by one behind it" };
        var repetitions = new Option<int>("--repetitions") { DefaultValueFactory = _ => 5, Description = "turns of each pair, after one warm-up" };
        var families = new Option<string[]>("--families") { DefaultValueFactory = _ => s_families, AllowMultipleArgumentsPerToken = true, Description = "which, instead of all" };
        families.AcceptOnlyFromAmong(s_families);
        foreach (Option<int> positive in (Option<int>[])[prompt, generate, repetitions])
        {
            positive.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1)
                    result.AddError($"{positive.Name} is {result.GetValueOrDefault<int>()}; it must be 1 or more.");
            });
        }

        var command = new Command("families", "Prompt and answer rates of a random model per family, about 100M parameters in Q8_0, over those of llama.") { threads, prompt, generate, repetitions, families };
        command.SetAction(parsed =>
            Run(parsed.GetValue(families)!, parsed.GetValue(threads), parsed.GetValue(prompt), parsed.GetValue(generate), parsed.GetValue(repetitions)));
        return command;
    }

    /// <summary>Prints the table; the exit code is 1 where a family is too slow.</summary>
    private static int Run(string[] families, int threads, int prompt, int generate, int repetitions)
    {
        FamilyShape shape = FamilyShape.Hundred with { Context = Math.Max(FamilyShape.Hundred.Context, prompt + generate + 1) };
        using var llama = new FamilySubject("llama", shape, threads, prompt, generate);
        Console.WriteLine("| family | million parameters (at work on a token) | prefill tokens/s | over llama | decode tokens/s | over llama |");
        Console.WriteLine("| --- | ---: | ---: | ---: | ---: | ---: |");
        bool isFast = true;
        foreach (string family in families)
        {
            Console.Error.WriteLine(family);
            using var subject = new FamilySubject(family, shape, threads, prompt, generate);
            List<(FamilyRates Llama, FamilyRates Own)> turns = [];
            for (int i = 0; i <= repetitions; i++)
            {
                bool first = i % 2 == 0;
                FamilyRates before = (first ? llama : subject).Measure(), after = (first ? subject : llama).Measure();
                if (i > 0)
                    turns.Add(first ? (before, after) : (after, before));
            }

            double prefill = Median(turns.Select(t => t.Own.Prefill / t.Llama.Prefill)), decode = Median(turns.Select(t => t.Own.Decode / t.Llama.Decode));
            isFast &= prefill >= Least && decode >= Least;
            Print(subject, family, turns, prefill, decode);
        }

        return isFast ? 0 : 1;
    }

    private static void Print(FamilySubject subject, string family, List<(FamilyRates Llama, FamilyRates Own)> turns, double prefill, double decode) =>
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {family} | {subject.Parameters / 1e6:0} ({subject.ActiveParameters / 1e6:0}) | {Median(turns.Select(t => t.Own.Prefill)):0} | {prefill:0.00} | {Median(turns.Select(t => t.Own.Decode)):0.0} | {decode:0.00} |"));

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
