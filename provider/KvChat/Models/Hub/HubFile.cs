namespace KvChat.Models.Hub;

/// <summary>A file of a repository, of which size and hash are known.</summary>
/// <param name="Path">Its path in the repository.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Hash">SHA-256 of its contents (64 digits), or for a small file the SHA-1 that git gives it (40 digits), in lower case. It names the blob in the cache.</param>
internal sealed record HubFile(string Path, long Size, string Hash)
{
    /// <summary>No model is larger; a sum of sizes below it cannot overflow.</summary>
    private const long LargestFile = 1L << 44;

    /// <summary>Makes a file of what a server said; null where that is not enough, or cannot be.</summary>
    public static HubFile? From(string path, long? size, string? hash) =>
        size is > 0 and <= LargestFile && Normalized(hash) is { } digits ? new HubFile(path, size.Value, digits) : null;

    /// <summary>The digits of a hash, also out of an ETag; null where it is none.</summary>
    public static string? Normalized(string? tag)
    {
        if (tag is null)
            return null;
        string digits = (tag.StartsWith("W/", StringComparison.Ordinal) ? tag[2..] : tag).Trim('"').ToLowerInvariant();
        return digits.Length is 40 or 64 && digits.All(char.IsAsciiHexDigitLower) ? digits : null;
    }
}
