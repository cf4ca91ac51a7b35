namespace KvChat.Models.Hub;

/// <summary>Finds a model of the hub: in the cache, or fetches it there.</summary>
internal sealed class HubModels(HubSettings settings, HubReference reference)
{
    private readonly HubCache _cache = new(settings, reference);

    public async Task<LocatedModel> LocateAsync(IProgress<ModelDownloadProgress>? progress, CancellationToken cancellationToken)
    {
        LocatedModel? cached = FromCache(out ModelNotFoundException? why);
        if (settings.Offline)
            return cached ?? throw why!;
        if (cached is not null && HubCache.IsCommit(reference.Revision))
            return cached; // what a commit holds does not change
        using var transport = new HubTransport(settings, reference);
        HubListing listing;
        try
        {
            // What is there can be used: the question whether there is something newer is worth one attempt, not a wait.
            listing = await HubListing.ReadAsync(transport, settings, reference, cached is null ? HubRetry.Attempts : 1, cancellationToken).ConfigureAwait(false);
        }
        catch (ModelDownloadException error) when (error.IsOutage && cached is not null)
        {
            return cached;
        }

        return await FetchAsync(transport, listing, progress, cancellationToken).ConfigureAwait(false);
    }

    private LocatedModel? FromCache(out ModelNotFoundException? why)
    {
        try
        {
            why = null;
            string place = $"the hub's cache \"{_cache.Folder}\", which alone may be used (HF_HUB_OFFLINE),";
            string? commit = _cache.ReadCommit();
            List<string> files = commit is null ? [] : _cache.Files(commit);
            IReadOnlyList<string> chosen = ModelFiles.Choose(reference.Text, place, files, reference.Choice);
            return Located(commit!, chosen);
        }
        catch (ModelNotFoundException error)
        {
            why = error;
            return null;
        }
    }

    private async Task<LocatedModel> FetchAsync(HubTransport transport, HubListing listing, IProgress<ModelDownloadProgress>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> chosen = ModelFiles.Choose(reference.Text, $"{reference.Id} at {reference.Revision}", listing.Paths, reference.Choice);
        List<HubFile> files = [];
        foreach (string path in chosen)
            files.Add(await listing.DescribeAsync(path, cancellationToken).ConfigureAwait(false));
        List<HubFile> missing = files.FindAll(f => FileLength.Of(_cache.SnapshotFile(listing.Commit, f)) != f.Size);
        if (missing.Count > 0)
        {
            RequireRoom(transport, missing);
            await DownloadAsync(new HubDownload(settings, transport, _cache, reference, listing.Commit), files, missing, progress, cancellationToken).ConfigureAwait(false);
        }

        Remember(transport, listing.Commit);
        return Located(listing.Commit, chosen);
    }

    private static async Task DownloadAsync(
        HubDownload download, List<HubFile> files, List<HubFile> missing, IProgress<ModelDownloadProgress>? progress, CancellationToken cancellationToken)
    {
        long total = files.Sum(f => f.Size);
        long before = total - missing.Sum(f => f.Size);
        foreach (HubFile file in missing)
        {
            long offset = before;
            await download.FetchAsync(file, bytes => progress?.Report(new ModelDownloadProgress(file.Path, offset + bytes, total)), cancellationToken).ConfigureAwait(false);
            before += file.Size;
        }
    }

    /// <summary>Whole before begun: a disk that fills up after an hour helps nobody.</summary>
    private void RequireRoom(HubTransport transport, List<HubFile> missing)
    {
        try
        {
            Directory.CreateDirectory(_cache.Folder);
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(transport.PageAddress, _cache.Folder, error);
        }

        long needed = missing.Where(f => FileLength.Of(_cache.Blob(f)) != f.Size).Sum(f => Math.Max(0, f.Size - (FileLength.Of(_cache.Incomplete(f)) ?? 0)));
        if (settings.Options.FreeBytes(_cache.Folder) is { } free && free < needed)
            throw new ModelDownloadException(transport.PageAddress, null, $"needs {needed} bytes more in \"{_cache.Folder}\", where {free} are free", DiskSpace.Hint);
    }

    private void Remember(HubTransport transport, string commit)
    {
        try
        {
            _cache.WriteCommit(commit);
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(transport.PageAddress, _cache.Folder, error);
        }
    }

    private LocatedModel Located(string commit, IReadOnlyList<string> files) =>
        new(reference.Name, [.. files.Select(f => RepositoryPath.Below(_cache.Snapshot(commit), f))]);
}
