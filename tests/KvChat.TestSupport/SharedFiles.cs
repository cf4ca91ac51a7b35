using System.Runtime.CompilerServices;

namespace KvChat.TestSupport;

/// <summary>Where the tests find the repository and the optional folder <c>shared</c> that may stand beside it.</summary>
public static class SharedFiles
{
    /// <summary>Root of the repository, found from this source file's own path.</summary>
    public static string Repository { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    /// <summary>The folder beside the repository that holds reference answers and larger models; it may be missing.</summary>
    public static string Shared { get; } = Path.GetFullPath(Environment.GetEnvironmentVariable("KVCHAT_SHARED") ?? Path.Combine(Repository, "..", "shared"));

    /// <summary>The small model that travels with the repository.</summary>
    public static string EmbeddedModel { get; } = Path.Combine(Repository, "examples", "models", "kvchat-tiny-q8_0.gguf");

    /// <summary>Full path of a file or folder under <see cref="Shared"/>.</summary>
    public static string PathOf(string relative) => Path.Combine(Shared, relative);

    /// <summary>Why a test that needs these files is skipped, or null where all of them are there.</summary>
    public static string? Missing(params string[] relative)
    {
        string? absent = relative.FirstOrDefault(r => !File.Exists(PathOf(r)) && !Directory.Exists(PathOf(r)));
        return absent is null ? null : $"needs shared/{absent}, which is not here";
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}

/// <summary>A fact that is skipped, naming the file, where a file under <c>shared</c> is missing.</summary>
public sealed class SharedFactAttribute : Xunit.FactAttribute
{
    /// <param name="files">Paths under <c>shared</c>.</param>
    public SharedFactAttribute(params string[] files) => Skip = SharedFiles.Missing(files);
}

/// <summary>A theory that is skipped, naming the file, where a file under <c>shared</c> is missing.</summary>
public sealed class SharedTheoryAttribute : Xunit.TheoryAttribute
{
    /// <param name="files">Paths under <c>shared</c>.</param>
    public SharedTheoryAttribute(params string[] files) => Skip = SharedFiles.Missing(files);
}
