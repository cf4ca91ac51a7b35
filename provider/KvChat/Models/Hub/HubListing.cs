using System.Net;
using System.Text.Json;

namespace KvChat.Models.Hub;

/// <summary>What a repository holds at a commit, as far as the hub says it.</summary>
internal sealed class HubListing
{
    private const int LongestList = 64 << 20;

    private readonly HubTransport _transport;
    private readonly HubSettings _settings;
    private readonly Dictionary<string, HubSibling> _files;

    private HubListing(HubTransport transport, HubSettings settings, string commit, Dictionary<string, HubSibling> files)
    {
        _transport = transport;
        _settings = settings;
        Commit = commit;
        _files = files;
    }

    public string Commit { get; }

    public IReadOnlyCollection<string> Paths => _files.Keys;

    /// <summary>Asks the hub.</summary>
    public static Task<HubListing> ReadAsync(HubTransport transport, HubSettings settings, HubReference reference, int attempts, CancellationToken cancellationToken)
    {
        Uri address = transport.ListAddress;
        return HubRetry.RunAsync(
            attempts,
            () => transport.AskAsync(
                (HttpMethod.Get, address, 0),
                async (answer, guard) => Parse(transport, settings, address, await ReadAsync(address, answer, guard).ConfigureAwait(false)),
                $"There is no repository {reference.Id}, or no revision {reference.Revision} in it.",
                cancellationToken),
            static () => 0,
            settings.Options.Delay,
            cancellationToken);
    }

    /// <summary>Size and hash of a file; asks for them where the list left them out.</summary>
    /// <exception cref="ModelDownloadException">The path is none that may be written, or the hub does not say size and hash.</exception>
    public async Task<HubFile> DescribeAsync(string path, CancellationToken cancellationToken)
    {
        if (!RepositoryPath.IsSafe(path))
            throw new ModelDownloadException(_transport.PageAddress, null, $"lists a file \"{ModelDownloadException.Printable(path)}\", which is no path inside of a repository", "Check HF_ENDPOINT.");
        HubSibling said = _files[path];
        if (HubFile.From(path, said.Large?.Size ?? said.Size, said.Large is null ? said.BlobId : said.Large.Sha256) is { } file)
            return file;
        Uri address = _transport.FileAddress(Commit, path);
        HubFile? asked = await HubRetry.RunAsync(
            HubRetry.Attempts,
            () => _transport.AskAsync(
                (HttpMethod.Head, address, 0),
                (answer, _) => Task.FromResult(HubFile.From(
                    path,
                    answer.LinkedSize ?? answer.Response.Content.Headers.ContentLength,
                    answer.LinkedHash ?? answer.Response.Headers.ETag?.Tag)),
                $"There is no file {path}, though the repository lists it.",
                cancellationToken),
            static () => 0,
            _settings.Options.Delay,
            cancellationToken).ConfigureAwait(false);
        return asked ?? throw new ModelDownloadException(address, null, "comes without a size and a hash by which it could be checked", "Check HF_ENDPOINT.");
    }

    private static async Task<MemoryStream> ReadAsync(Uri address, HubAnswer answer, StallGuard guard)
    {
        var text = new MemoryStream();
        using Stream body = await answer.Response.Content.ReadAsStreamAsync(guard.Token).ConfigureAwait(false);
        byte[] buffer = new byte[1 << 16];
        int count;
        while ((count = await body.ReadAsync(buffer, guard.Token).ConfigureAwait(false)) > 0)
        {
            guard.Moved();
            if (text.Length + count > LongestList)
                throw NoList(address, $"it is longer than {LongestList} bytes", null);
            text.Write(buffer, 0, count);
        }

        text.Position = 0;
        return text;
    }

    private static HubListing Parse(HubTransport transport, HubSettings settings, Uri address, MemoryStream text)
    {
        HubRepository? repository;
        try
        {
            repository = JsonSerializer.Deserialize(text, ModelJson.Default.HubRepository);
        }
        catch (JsonException error)
        {
            throw NoList(address, ModelDownloadException.Printable(error.Message.TrimEnd('.')), error);
        }

        if (repository?.Sha?.ToLowerInvariant() is not { } commit || !HubCache.IsCommit(commit))
            throw NoList(address, "\"sha\" must be a commit of 40 hexadecimal digits", null);
        if (repository.Siblings is not { } siblings)
            throw NoList(address, "\"siblings\" must be a list of files", null);
        Dictionary<string, HubSibling> files = new(StringComparer.Ordinal);
        foreach (HubSibling? sibling in siblings)
        {
            if (sibling?.Path is { Length: > 0 } path)
                files[path] = sibling;
        }

        return new HubListing(transport, settings, commit, files);
    }

    private static ModelDownloadException NoList(Uri address, string problem, Exception? error) =>
        new(new Uri(address.GetLeftPart(UriPartial.Path)), HttpStatusCode.OK, $"answered with no list of a repository: {problem}", "Check HF_ENDPOINT.", error);
}
