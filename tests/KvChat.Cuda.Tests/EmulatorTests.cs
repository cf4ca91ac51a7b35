using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>
/// Programs in C++ on the emulator: that it names every mistake it claims to find, and that the kernels make none of them. Each way of building sees what the others
/// cannot: races with instrumented accesses, overruns and undefined behaviour with g++'s sanitizers.
/// </summary>
public sealed class EmulatorTests
{
    private static readonly string Emulator = Path.Combine(SharedFiles.Repository, "kernels", "emulator");

    [EmulatorTheory]
    [InlineData("--plain")]
    [InlineData("--checked")]
    [InlineData("--asan")]
    [InlineData("--ubsan")]
    public void The_emulator_names_every_mistake(string way) => InScratch(scratch => Script.Run(Path.Combine(Emulator, "check"), scratch, way, "emulator_test"));

    [EmulatorFact]
    public void No_kernel_races_and_every_barrier_is_missed_when_it_is_left_out() => InScratch(scratch =>
    {
        Script.Run(Path.Combine(Emulator, "check"), scratch, "--checked");
        Script.Run(Path.Combine(Emulator, "mutants"), scratch);
    });

    /// <summary>Every kernel has a case among the programs, or <c>check</c> names it.</summary>
    [EmulatorFact]
    public void No_kernel_leaves_its_memory_or_does_what_is_undefined() => InScratch(scratch => Script.Run(Path.Combine(Emulator, "check"), scratch, "--asan", "--ubsan"));

    private static void InScratch(Action<string> action)
    {
        string scratch = Directory.CreateTempSubdirectory("kvchat-emulator-").FullName;
        try
        {
            action(scratch);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }
}
