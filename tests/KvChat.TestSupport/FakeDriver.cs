using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using KvChat.Kernels.Cuda;
using Xunit;

namespace KvChat.TestSupport;

/// <summary>
/// The fake <c>libcuda.so.1</c>, built from the repository's sources when it is first asked for and kept beside the program as long as those stay the same. It is one device for the whole
/// process, and its settings hold for all of it: tests that use it run one after another.
/// </summary>
public static unsafe class FakeDriver
{
    /// <summary>Environment variable that names a fake driver built in another way (<c>kernels/emulator/build OUT --checked</c>), to be taken instead.</summary>
    private const string Variable = "KVCHAT_FAKE_DRIVER";

    private static readonly Lazy<string> Built = new(() => Environment.GetEnvironmentVariable(Variable) ?? Build());

    /// <summary>Why there is none here, or null.</summary>
    public static string? Missing { get; } = FindMissing();

    /// <summary>Path of the library.</summary>
    public static string Path => Built.Value;

    /// <summary>Path of the fake <c>libcublas.so.12</c>, which is built with it.</summary>
    public static string CublasPath => System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, "libcublas.so.12");

    /// <summary>Makes the driver as new, with settings of its README.</summary>
    public static void Reset(params (string Name, object Value)[] settings)
    {
        ((delegate* unmanaged<void>)Export("kvchatFakeReset"))();
        foreach ((string name, object value) in settings)
            Set(name, value);
    }

    /// <summary>Changes a setting.</summary>
    public static void Set(string name, object value)
    {
        byte[] key = Encoding.ASCII.GetBytes(name + '\0'), text = Encoding.ASCII.GetBytes(Convert.ToString(value, CultureInfo.InvariantCulture) + '\0');
        fixed (byte* keyAt = key, textAt = text)
            ((delegate* unmanaged<byte*, byte*, void>)Export("kvchatFakeSet"))(keyAt, textAt);
    }

    /// <summary>Launches of a kernel since the last <see cref="Reset"/>.</summary>
    public static long Launches(string kernel)
    {
        fixed (byte* name = Encoding.ASCII.GetBytes(kernel + '\0'))
            return ((delegate* unmanaged<byte*, nint>)Export("kvchatFakeLaunches"))(name);
    }

    /// <summary>What is still taken of the device: allocations, pinned allocations, streams, events.</summary>
    public static (long Device, long Pinned, long Streams, long Events) Taken() =>
        (Count("kvchatFakeDeviceAllocations"), Count("kvchatFakePinnedAllocations"), Count("kvchatFakeStreams"), Count("kvchatFakeEvents"));

    /// <summary>A back end on a fresh fake device.</summary>
    public static CudaBackend Open(params (string Name, object Value)[] settings)
    {
        Reset(settings);
        return new CudaBackend(Options);
    }

    /// <summary>Options that name the fake driver.</summary>
    public static CudaBackendOptions Options => new() { DriverPath = Path };

    // KVCHAT_EMULATOR_WAY=--checked puts all tests on an emulator that looks for races; they are slower then.
    private static string[] Way => Environment.GetEnvironmentVariable("KVCHAT_EMULATOR_WAY") is { Length: > 0 } way ? [way] : [];

    private static long Count(string export) => ((delegate* unmanaged<nint>)Export(export))();

    private static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.Load(Path), name);

    private static string? FindMissing()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.OSArchitecture != Architecture.X64)
            return "needs x86-64 Linux, on which the emulator's fibers run";
        return (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':').Any(folder => File.Exists(System.IO.Path.Combine(folder, "g++"))) ? null
            : "needs g++, which builds the emulator and is not here";
    }

    private static string Build()
    {
        string kernels = System.IO.Path.Combine(SharedFiles.Repository, "kernels");
        string folder = System.IO.Path.Combine(AppContext.BaseDirectory, "emulator-" + Fingerprint(kernels)), library = System.IO.Path.Combine(folder, "libcuda.so.1");
        if (File.Exists(library))
            return library;
        string scratch = System.IO.Path.Combine(AppContext.BaseDirectory, "emulator-" + Guid.NewGuid().ToString("N"));
        Run(System.IO.Path.Combine(kernels, "emulator", "build"), [scratch, .. Way]);
        foreach (string old in Directory.GetFiles(scratch, "*.cpp"))
            File.Delete(old);
        try
        {
            Directory.Move(scratch, folder);
        }
        catch (IOException) when (File.Exists(library))
        {
            // Another run of the tests was faster.
            Directory.Delete(scratch, recursive: true);
        }

        return library;
    }

    private static string Fingerprint(string kernels)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes("with objects" + string.Concat(Way)));
        string[] files = [.. Directory.GetFiles(System.IO.Path.Combine(kernels, "cuda")), .. Directory.GetFiles(System.IO.Path.Combine(kernels, "cuda", "ptx")), .. Directory.GetFiles(System.IO.Path.Combine(kernels, "emulator")), .. Directory.GetFiles(System.IO.Path.Combine(kernels, "emulator", "cublas"))];
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(file));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexString(hash.GetHashAndReset())[..16];
    }

    private static void Run(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("bash", [program, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} failed: {errors}{output.Result}");
    }
}

/// <summary>A fact that needs the fake driver, skipped where it cannot be built.</summary>
public sealed class EmulatorFactAttribute : FactAttribute
{
    public EmulatorFactAttribute() => Skip = FakeDriver.Missing;
}

/// <summary>A theory that needs the fake driver, skipped where it cannot be built.</summary>
public sealed class EmulatorTheoryAttribute : TheoryAttribute
{
    public EmulatorTheoryAttribute() => Skip = FakeDriver.Missing;
}
