using System.Diagnostics;
using KvChat.TestSupport;

namespace KvChat.Tests.Packages;

/// <summary>The packages of what was built, packed once into a folder of its own.</summary>
public sealed class PackedPackages : IDisposable
{
    /// <summary>A version that no cache knows.</summary>
    public string Version { get; } = $"0.1.0-test.{Guid.NewGuid():N}"[..24];

    public string Folder { get; } = Directory.CreateTempSubdirectory("kvchat-packages-").FullName;

    public PackedPackages()
    {
        foreach (string project in new[] { "kernels/KvChat.Kernels", "runtime/KvChat.Runtime", "provider/KvChat" })
            Run("pack", Path.Combine(SharedFiles.Repository, project), "--no-build", "-c", Configuration, "-o", Folder, $"-p:PackageVersion={Version}", "-nologo", "-v", "q");
    }

    /// <summary>The configuration that this test was built in, so that packing needs no building.</summary>
    public static string Configuration => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Debug{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Debug" : "Release";

    public string PathOf(string package, string ending) => Path.Combine(Folder, $"{package}.{Version}.{ending}");

    /// <summary>Runs a command of the .NET command line and gives what it printed.</summary>
    public static string Run(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (string variable in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || k.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)).ToArray())
            start.Environment.Remove(variable); // this test runs inside one of them
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["DOTNET_NOLOGO"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"dotnet {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{output}\n{errors.Result}");
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
