using System.Buffers;
using System.Net;
using System.Net.Http.Headers;

namespace KvChat.Models.Hub;

/// <summary>Fetches one file of a repository into the cache, from where an earlier attempt stopped.</summary>
internal sealed class HubDownload(HubSettings settings, HubTransport transport, HubCache cache, HubReference reference, string commit)
{
    private const int BufferBytes = 1 << 18;

    /// <summary>A connection may bring a few KB at a time; nobody wants to hear of each.</summary>
    private const long ProgressBytes = 1 << 20;

    /// <summary>Fetches a file, unless it is there. Who comes second waits for the first.</summary>
    /// <param name="file">The file.</param>
    /// <param name="progress">Told how many bytes of it are there.</param>
    /// <param name="cancellationToken">Ends it; what has come stays.</param>
    public async Task FetchAsync(HubFile file, Action<long> progress, CancellationToken cancellationToken)
    {
        Uri address = transport.FileAddress(commit, file.Path);
        string target = cache.SnapshotFile(commit, file);
        try
        {
            using IDisposable held = await CacheLock.TakeAsync(cache.Lock(file), settings.Options.Delay, cancellationToken).ConfigureAwait(false);
            if (FileLength.Of(target) != file.Size)
            {
                if (FileLength.Of(cache.Blob(file)) != file.Size)
                    await DownloadAsync(file, address, progress, cancellationToken).ConfigureAwait(false);
                cache.Publish(file, commit);
            }
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(address, target, error); // the net's own failures have been turned into errors of ours before
        }

        progress(file.Size);
    }

    private async Task DownloadAsync(HubFile file, Uri address, Action<long> progress, CancellationToken cancellationToken)
    {
        using PartialFile part = await PartialFile.OpenAsync(cache.Incomplete(file), file, address, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            progress(part.Length);
            await HubRetry.RunAsync(
                HubRetry.Attempts, () => ConnectAsync(file, address, part, progress, cancellationToken), () => part.Length, settings.Options.Delay, cancellationToken).ConfigureAwait(false);
            string hash = part.Hash();
            if (hash == file.Hash)
                break;
            bool wasResumed = part.IsResumed;
            part.Restart(); // never resume from what is wrong
            if (!wasResumed)
                throw new ModelDownloadException(address, null, $"has the hash {hash}; it must be {file.Hash}", "What came is damaged, or not what the hub lists; try again, or another mirror (HF_ENDPOINT).");
        }

        part.MoveTo(cache.Blob(file));
    }

    /// <summary>One connection: reads until the file is complete. The result means nothing.</summary>
    private async Task<bool> ConnectAsync(HubFile file, Uri address, PartialFile part, Action<long> progress, CancellationToken cancellationToken)
    {
        if (part.Length == file.Size)
            return true;
        part.Resume();
        return await transport.AskAsync(
            (HttpMethod.Get, address, part.Length),
            async (answer, guard) =>
            {
                CheckPromise(file, address, answer);
                FindPlace(file, address, answer, part);
                await ReadAsync(file, address, answer, part, progress, guard).ConfigureAwait(false);
                return true;
            },
            $"There is no file {file.Path} in {reference.Id} at {reference.Revision}.",
            cancellationToken).ConfigureAwait(false);
    }

    private static void CheckPromise(HubFile file, Uri address, HubAnswer answer)
    {
        if (answer.LinkedHash is { } hash && hash != file.Hash)
            throw new ModelDownloadException(address, null, $"has the hash {hash} by its own account; by the repository's list it is {file.Hash}", "Check HF_ENDPOINT.");
        ContentRangeHeaderValue? range = answer.Response.Content.Headers.ContentRange;
        long? whole = answer.Status == HttpStatusCode.OK ? answer.Response.Content.Headers.ContentLength : range?.Length;
        if ((answer.LinkedSize ?? whole ?? file.Size) is var size && size != file.Size)
            throw SizeDiffers(size);
        if (whole is { } other && other != file.Size)
            throw SizeDiffers(other);

        ModelDownloadException SizeDiffers(long said) =>
            new(address, null, $"has {said} bytes by its own account; by the repository's list it has {file.Size}", "Check HF_ENDPOINT.");
    }

    /// <summary>Makes sure that what comes fits to the end of what is there; a server need not be able to begin in the middle.</summary>
    private static void FindPlace(HubFile file, Uri address, HubAnswer answer, PartialFile part)
    {
        bool continues = answer.Status == HttpStatusCode.PartialContent && answer.Response.Content.Headers.ContentRange?.From == part.Length;
        if (continues)
            return;
        bool wasEmpty = part.Length == 0;
        part.Restart();
        if (answer.Status != HttpStatusCode.OK)
        {
            var error = new ModelDownloadException(address, answer.Status, $"answered with another part of {file.Path} than was asked for", "Check HF_ENDPOINT.");
            throw wasEmpty ? error : new TransientDownloadException(error);
        }
    }

    private static async Task ReadAsync(HubFile file, Uri address, HubAnswer answer, PartialFile part, Action<long> progress, StallGuard guard)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using Stream body = await answer.Response.Content.ReadAsStreamAsync(guard.Token).ConfigureAwait(false);
            long told = part.Length;
            int count;
            while ((count = await body.ReadAsync(buffer, guard.Token).ConfigureAwait(false)) > 0)
            {
                guard.Moved();
                if (count > file.Size - part.Length)
                    throw new ModelDownloadException(address, null, $"sends more than the {file.Size} bytes that the repository's list gives it", "Check HF_ENDPOINT.");
                await part.AppendAsync(buffer.AsMemory(0, count), guard.Token).ConfigureAwait(false);
                if (part.Length - told < ProgressBytes && part.Length < file.Size)
                    continue;
                progress(told = part.Length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (part.Length < file.Size)
            throw new IOException($"it broke off after {part.Length} of {file.Size} bytes");
    }
}
