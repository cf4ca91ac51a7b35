namespace KvChat.Models;

/// <summary>The folders that settings may speak of.</summary>
internal static class UserFolders
{
    /// <summary>The user's home.</summary>
    public static string Home(ModelLocatorOptions options) =>
        options.Environment(OperatingSystem.IsWindows() ? "USERPROFILE" : "HOME") is { Length: > 0 } home
            ? home
            : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>A path of a setting, in which a leading "~" stands for the home.</summary>
    public static string Expand(string path, ModelLocatorOptions options) =>
        Path.GetFullPath(path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? Home(options) + path[1..] : path);
}
