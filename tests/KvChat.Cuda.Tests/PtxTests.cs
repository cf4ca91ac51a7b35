using System.Diagnostics;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>The PTX that is committed: fit for the baseline, and what the sources say.</summary>
public sealed class PtxTests
{
    private const string Good = ".version 7.0\n.target sm_80\n.address_size 64\n\n.visible .entry kv_x(\n\t.param .align 8 .b8 kv_x_param_0[32]\n)\n.maxntid 256, 1, 1\n{\n\tmov.u32 \t%r1, %tid.x;\n\t@%p1 bra \t$L;\n\tret;\n}\n";

    private static readonly string Kernels = Path.Combine(SharedFiles.Repository, "kernels", "cuda");

    public static TheoryData<string> Files => [.. Directory.GetFiles(Path.Combine(Kernels, "ptx"), "*.ptx").Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Committed_ptx_is_fit_for_every_supported_device(string file) =>
        Assert.Empty(PtxLint.Faults(File.ReadAllText(Path.Combine(Kernels, "ptx", file)).ReplaceLineEndings("\n")));

    [Fact]
    public void Every_kernel_file_has_its_ptx_and_no_other_is_there() =>
        Assert.Equal(
            Directory.GetFiles(Kernels, "*.cu").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal),
            Directory.GetFiles(Path.Combine(Kernels, "ptx")).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));

    [Fact]
    public void A_plain_kernel_passes_the_lint() => Assert.Empty(PtxLint.Faults(Good));

    [Theory]
    [InlineData(".version 7.0", ".version 8.1", "version")]
    [InlineData("sm_80", "sm_90a", "target")]
    [InlineData("\tret;", "\t.local .b8 x[4];\n\tret;", "local memory")]
    [InlineData("\tret;", "\tcall.uni f;\n\tret;", "instruction call")]
    [InlineData("\t@%p1 bra ", "\t@%p1 trap ", "instruction trap")]
    [InlineData("mov.u32", "wgmma.x", "instruction wgmma")]
    [InlineData("entry kv_x", "entry x", "start with kv_")]
    [InlineData("kv_x_param_0[32]", "kv_x_param_0[32],\n\t.param .u32 kv_x_param_1", "one struct")]
    [InlineData(".maxntid 256, 1, 1\n", "", "largest block")]
    [InlineData(".maxntid 256, 1, 1\n", ".maxntid 100, 1, 1\n", "largest block")]
    [InlineData(".visible .entry", ".entry", "cannot be read")]
    public void The_lint_notices(string part, string instead, string expected) =>
        Assert.Contains(PtxLint.Faults(Good.Replace(part, instead, StringComparison.Ordinal)), fault => fault.Contains(expected, StringComparison.Ordinal));

    [CompilerFact]
    public void Committed_ptx_is_what_the_sources_compile_to()
    {
        string scratch = Directory.CreateTempSubdirectory("kvchat-ptx-").FullName;
        try
        {
            Script.Run(Path.Combine(Kernels, "build"), scratch);
            foreach (string built in Directory.GetFiles(scratch))
            {
                string committed = Path.Combine(Kernels, "ptx", Path.GetFileName(built));
                Assert.True(File.ReadAllText(built) == File.ReadAllText(committed).ReplaceLineEndings("\n"), $"{committed} is not what its source compiles to: run kernels/cuda/build and commit");
            }
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }
}

/// <summary>Shell scripts of the repository.</summary>
internal static class Script
{
    /// <summary>Runs one and returns what it printed.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it printed.</exception>
    public static string Run(string script, params string[] arguments)
    {
        ProcessStartInfo start = new("bash", [script, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        string said = output.Result + errors;
        return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{script} failed:\n{said}");
    }

    /// <summary>Whether a program is on the search path.</summary>
    public static bool Has(string program) => (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}

/// <summary>A fact that needs the compiler of kernels; CI installs it.</summary>
public sealed class CompilerFactAttribute : FactAttribute
{
    public CompilerFactAttribute() => Skip = Script.Has("clang++-19") ? null : "needs clang++-19, which compiles the kernels and is not here";
}
