namespace KvChat.Models.Hub;

/// <summary>
/// A repository's part of the hub's cache folder, laid out as all clients of the hub do: <c>models--owner--name</c> with <c>refs/main</c> (a commit),
/// <c>blobs/hash</c> and <c>snapshots/commit/path</c>, which point to blobs.
/// </summary>
internal sealed class HubCache(HubSettings settings, HubReference reference)
{
    private readonly string _name = $"models--{reference.Owner}--{reference.Repository}";

    /// <summary>Folder of the repository.</summary>
    public string Folder => Path.Combine(settings.Cache, _name);

    /// <summary>Whether a text is a commit: only such name a snapshot's folder.</summary>
    public static bool IsCommit(string text) => text.Length is >= 40 and <= 64 && text.All(char.IsAsciiHexDigitLower);

    public string Blob(HubFile file) => Path.Combine(Folder, "blobs", file.Hash);

    /// <summary>What has come so far of a blob.</summary>
    public string Incomplete(HubFile file) => Blob(file) + ".incomplete";

    /// <summary>Held by the one process that fetches a blob; other clients of the hub take the same file.</summary>
    public string Lock(HubFile file) => Path.Combine(settings.Cache, ".locks", _name, file.Hash + ".lock");

    public string Snapshot(string commit) => Path.Combine(Folder, "snapshots", commit);

    public string SnapshotFile(string commit, HubFile file) => RepositoryPath.Below(Snapshot(commit), file.Path);

    /// <summary>The commit of the reference's revision when it was last asked for; null where it never was.</summary>
    public string? ReadCommit()
    {
        if (IsCommit(reference.Revision))
            return reference.Revision;
        try
        {
            string text = File.ReadAllText(RefPath).Trim();
            return IsCommit(text) ? text : null;
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            return null;
        }
    }

    /// <summary>Remembers the commit of the reference's revision.</summary>
    public void WriteCommit(string commit)
    {
        if (ReadCommit() == commit)
            return;
        Directory.CreateDirectory(Path.GetDirectoryName(RefPath)!);
        string temporary = Temporary(RefPath);
        File.WriteAllText(temporary, commit);
        File.Move(temporary, RefPath, overwrite: true);
    }

    /// <summary>Paths of all files that a snapshot holds, with "/" between their segments.</summary>
    public List<string> Files(string commit)
    {
        string root = Snapshot(commit);
        if (!Directory.Exists(root))
            return [];
        var all = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 16, AttributesToSkip = FileAttributes.None };
        return
        [
            .. Directory.EnumerateFiles(root, "*", all)
                .Where(f => FileLength.Of(f) is not null) // a link may point to a blob that was deleted
                .Select(f => Path.GetRelativePath(root, f).Replace(Path.DirectorySeparatorChar, '/')),
        ];
    }

    /// <summary>Makes a snapshot's file of a blob that is complete: a link, or where links are not possible the blob itself, moved there.</summary>
    public void Publish(HubFile file, string commit)
    {
        string path = SnapshotFile(commit, file);
        string folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        string temporary = Temporary(path);
        try
        {
            settings.Options.MakeLink(temporary, Path.GetRelativePath(folder, Blob(file)));
            if (FileLength.Of(temporary) == file.Size)
            {
                File.Move(temporary, path, overwrite: true);
                return;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            // Windows lets only some users make links, and some file systems have none.
        }

        File.Delete(temporary);
        File.Move(Blob(file), path, overwrite: true);
    }

    private string RefPath => RepositoryPath.Below(Path.Combine(Folder, "refs"), reference.Revision);

    /// <summary>A name beside a file, for what shall appear there at once and whole.</summary>
    private static string Temporary(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".{Guid.NewGuid():N}.tmp");
}
