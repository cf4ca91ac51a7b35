using System.Buffers;

namespace KvChat.Models;

/// <summary>Paths that come from servers and manifests: only such as name a file inside of their folder on every system are used.</summary>
internal static class RepositoryPath
{
    private const int LongestSegment = 255;

    private static readonly SearchValues<char> Forbidden = SearchValues.Create("\\:*?\"<>|");

    private static readonly string[] Devices =
    [
        "CON", "PRN", "AUX", "NUL",
        "COM0", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
        "LPT0", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
    ];

    /// <summary>Whether a path with "/" between its segments stays inside of its folder and can be written on every system.</summary>
    public static bool IsSafe(string path) => path.Length is > 0 and <= 1024 && path.Split('/').All(IsSafeSegment);

    /// <summary>Whether a name can be a file's on every system.</summary>
    public static bool IsSafeSegment(string name) =>
        name.Length is > 0 and <= LongestSegment
        && !name.AsSpan().ContainsAny(Forbidden)
        && !name.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c == '/')
        && !name.EndsWith('.') && !name.EndsWith(' ') && !name.StartsWith(' ') // "." and ".." among them
        && !Devices.Contains(name.Split('.')[0].TrimEnd(), StringComparer.OrdinalIgnoreCase);

    /// <summary>The full path of a safe path below a folder.</summary>
    /// <exception cref="ArgumentException">The path is not safe.</exception>
    public static string Below(string folder, string path)
    {
        string root = Path.GetFullPath(folder);
        string full = Path.GetFullPath(Path.Combine(root, path.Replace('/', Path.DirectorySeparatorChar)));
        return IsSafe(path) && full.StartsWith(root.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? full
            : throw new ArgumentException($"\"{ModelDownloadException.Printable(path)}\" is no path of a file inside of its folder.", nameof(path));
    }
}
