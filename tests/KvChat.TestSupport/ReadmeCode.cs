namespace KvChat.TestSupport;

/// <summary>Compares the samples of a README with the file in which they are compiled and run.</summary>
public static class ReadmeCode
{
    /// <summary>The C# samples of a README, each with what makes lines differ only to the eye taken out.</summary>
    /// <param name="readme">Its path in the repository, with "/" between segments.</param>
    public static IReadOnlyList<string> Samples(string readme)
    {
        string[] lines = File.ReadAllLines(PathOf(readme));
        return [.. Enumerable.Range(0, lines.Length).Where(i => lines[i] == "```csharp").Select(i => Squeezed(lines[(i + 1)..Array.IndexOf(lines, "```", i)]))];
    }

    /// <summary>A file of code in the same form.</summary>
    /// <param name="file">Its path in the repository.</param>
    public static string Of(string file) => Squeezed(File.ReadAllLines(PathOf(file)));

    private static string PathOf(string path) => Path.Combine([SharedFiles.Repository, .. path.Split('/')]);

    private static string Squeezed(IEnumerable<string> lines) => string.Join('\n', lines.Select(l => l.Trim()).Where(l => l.Length > 0));
}
