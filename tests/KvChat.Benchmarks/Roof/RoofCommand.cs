using System.CommandLine;
using System.Diagnostics;

namespace KvChat.Benchmarks.Roof;

/// <summary>The command <c>roof</c>: what the machine could do at best, for the floors of other measurements.</summary>
public static class RoofCommand
{
    private const long BufferBytes = 256L << 20;
    private const int Repetitions = 7;

    public static Command Create()
    {
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount, Description = "threads at once" };
        var command = new Command("roof", "Copy and read bandwidth, and the peak of fused multiply-adds.") { threads };
        command.SetAction(parsed => Run(Math.Max(1, parsed.GetValue(threads))));
        return command;
    }

    private static int Run(int threads)
    {
        using var memory = new RoofMemory(threads, BufferBytes);
        Console.WriteLine($"{threads} threads, buffers of {BufferBytes >> 20} MiB a thread, best of {Repetitions}, vectors of {MultiplyAdd.Width} bits");
        double copy = Best(threads, memory.Copy), read = Best(threads, memory.Read);
        Console.WriteLine($"copy            {2.0 * BufferBytes * threads / copy / 1e9,8:0.0} GB/s (bytes read plus bytes written)");
        Console.WriteLine($"read            {(double)BufferBytes * threads / read / 1e9,8:0.0} GB/s");
        const int Rounds = 20_000_000;
        double fma = Best(threads, _ => MultiplyAdd.Run(Rounds));
        Console.WriteLine($"multiply-add    {2.0 * MultiplyAdd.PerRound * Rounds * threads / fma / 1e9,8:0.0} GFLOP/s in fp32");
        return 0;
    }

    /// <summary>Seconds of the fastest repetition with all threads at work.</summary>
    private static double Best(int threads, Action<int> work)
    {
        double best = double.MaxValue;
        for (int i = 0; i < Repetitions; i++)
        {
            using var start = new Barrier(threads + 1);
            Thread[] team = [.. Enumerable.Range(0, threads).Select(t => new Thread(() =>
            {
                start.SignalAndWait();
                work(t);
            }))];
            foreach (Thread thread in team)
                thread.Start();
            start.SignalAndWait();
            long begun = Stopwatch.GetTimestamp();
            foreach (Thread thread in team)
                thread.Join();
            best = Math.Min(best, Stopwatch.GetElapsedTime(begun).TotalSeconds);
        }

        return best;
    }
}
