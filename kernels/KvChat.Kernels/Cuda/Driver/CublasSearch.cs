using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>Where cuBLAS may be: beside the program, as TorchSharp's packages put it; in a CUDA toolkit; where the system looks for libraries.</summary>
internal static class CublasSearch
{
    // Older ones have no cublasComputeType_t.
    private const int Oldest = 11, Newest = 13;

    /// <summary>Files and names in the order in which they are tried. A library newer than the driver does not start, so only its own version and older ones are named.</summary>
    /// <param name="driverVersion">Newest CUDA version that the driver knows, e.g. 12040.</param>
    /// <param name="windows">Whether the names are those of Windows.</param>
    /// <param name="folder">The program's folder.</param>
    /// <param name="toolkit">The toolkit's folder; null where none is known.</param>
    public static IReadOnlyList<string> Names(int driverVersion, bool windows, string folder, string? toolkit)
    {
        List<string> names = [];
        for (int major = Math.Min(driverVersion / 1000, Newest); major >= Oldest; major--)
        {
            string name = windows ? $"cublas64_{major}.dll" : $"libcublas.so.{major}";
            names.Add(Path.Combine(folder, name));
            names.Add(Path.Combine(folder, "runtimes", windows ? "win-x64" : "linux-x64", "native", name));
            if (toolkit is not null)
            {
                foreach (string libraries in windows ? (ReadOnlySpan<string>)["bin", Path.Combine("bin", "x64")] : ["lib64"])
                    names.Add(Path.Combine(toolkit, libraries, name));
            }

            names.Add(name);
        }

        return names;
    }

    /// <summary>The names for this program and system.</summary>
    public static IReadOnlyList<string> Names(int driverVersion)
    {
        bool windows = OperatingSystem.IsWindows();
        string? toolkit = Environment.GetEnvironmentVariable("CUDA_PATH");
        return Names(driverVersion, windows, AppContext.BaseDirectory, !string.IsNullOrEmpty(toolkit) ? toolkit : windows ? null : "/usr/local/cuda");
    }

    /// <summary>Loads the first that is there.</summary>
    /// <returns>The library and the name it was found by; null where there is none.</returns>
    public static (nint Library, string Name)? Load(IReadOnlyList<string> names)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
                return (library, name);
        }

        return null;
    }
}
