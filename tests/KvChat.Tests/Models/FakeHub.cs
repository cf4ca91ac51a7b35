using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvChat.Models;

namespace KvChat.Tests.Models;

/// <summary>
/// A hub with one repository, whose files lie in a store of another host name, and a cache folder for those who ask it. It answers rightly but where
/// <see cref="Intercept"/> answers instead. Waits are recorded and not waited for.
/// </summary>
internal sealed class FakeHub : IAsyncDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly HttpScript _server;
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-hub-").FullName;

    public FakeHub(params (string Path, byte[] Bytes)[] files)
    {
        Files = files.ToDictionary(f => f.Path, f => f.Bytes);
        _server = new HttpScript(r => Intercept(r) ?? Answer(r));
        Options = new ModelLocatorOptions
        {
            HubEndpoint = $"http://127.0.0.1:{_server.Port}",
            HubCache = Path.Combine(_folder, "hub"),
            HubOffline = false,
            Environment = _ => null,
            Delay = (wait, token) =>
            {
                Waits.Add(wait);
                return token.IsCancellationRequested ? Task.FromCanceled(token) : Task.CompletedTask;
            },
        };
    }

    public Dictionary<string, byte[]> Files { get; }

    public Func<ScriptRequest, ScriptReply?> Intercept { get; set; } = static _ => null;

    public ModelLocatorOptions Options { get; }

    public List<TimeSpan> Waits { get; } = [];

    public List<ModelDownloadProgress> Progress { get; } = [];

    public IReadOnlyList<ScriptRequest> Requests => _server.Requests;

    /// <summary>Requests for contents, which the store answers.</summary>
    public IReadOnlyList<ScriptRequest> Downloads => [.. Requests.Where(IsDownload)];

    public string Repository => Path.Combine(Options.HubCache!, "models--owner--name");

    public static bool IsList(ScriptRequest request) => request.Path.StartsWith("/api/", StringComparison.Ordinal);

    public static bool IsResolve(ScriptRequest request) => request.Path.Contains("/resolve/", StringComparison.Ordinal);

    public static bool IsDownload(ScriptRequest request) => request.Path.StartsWith("/store/", StringComparison.Ordinal);

    /// <summary>Bytes that look like nothing in particular.</summary>
    public static byte[] Bytes(int count, int seed = 1)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public Task<LocatedModel> LocateAsync(string model, CancellationToken cancellationToken = default) =>
        new ModelLocator(Options).LocateAsync(model, new Recorder(Progress), cancellationToken);

    public string Blob(string path) => Path.Combine(Repository, "blobs", Hash(Files[path]));

    public string Snapshot(string path) => Path.Combine([Repository, "snapshots", Commit, .. path.Split('/')]);

    /// <summary>The list of the repository, to be changed.</summary>
    public JsonObject List() => new()
    {
        ["sha"] = Commit,
        ["private"] = false,
        ["siblings"] = new JsonArray([.. Files.Select(f => new JsonObject
        {
            ["rfilename"] = f.Key,
            ["size"] = f.Value.Length,
            ["blobId"] = new string('e', 40),
            ["lfs"] = new JsonObject { ["sha256"] = Hash(f.Value), ["size"] = f.Value.Length, ["pointerSize"] = 134 },
        })]),
    };

    /// <summary>The store's answer, from the byte that the request names.</summary>
    public ScriptReply Content(ScriptRequest request)
    {
        byte[] all = Files.Values.First(b => request.Path == "/store/" + Hash(b));
        int from = request.From;
        return from == 0
            ? new ScriptReply(200, all, ("ETag", "\"of-the-store\""))
            : new ScriptReply(206, all[from..], ("Content-Range", string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{all.Length - 1}/{all.Length}")));
    }

    /// <summary>The hub's answer for a file: where it lies.</summary>
    public ScriptReply Redirection(ScriptRequest request)
    {
        string path = Uri.UnescapeDataString(request.Path.Split("/resolve/" + Commit + "/")[1]);
        if (!Files.TryGetValue(path, out byte[]? bytes))
            return ScriptReply.Text(404, "", ("X-Error-Code", "EntryNotFound"), ("X-Error-Message", "Entry not found"));
        return ScriptReply.Text(
            302, "", ("Location", $"http://localhost:{_server.Port}/store/{Hash(bytes)}?signature=secret"), ("X-Repo-Commit", Commit),
            ("X-Linked-Etag", $"\"{Hash(bytes)}\""), ("X-Linked-Size", bytes.Length.ToString(CultureInfo.InvariantCulture)));
    }

    public ValueTask StopAsync() => _server.DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private ScriptReply Answer(ScriptRequest request)
    {
        if (IsDownload(request))
            return Content(request);
        if (request.Path.StartsWith("/owner/name/resolve/", StringComparison.Ordinal))
            return Redirection(request);
        return request.Path is "/api/models/owner/name/revision/main" or "/api/models/owner/name/revision/" + Commit
            ? ScriptReply.Text(200, JsonSerializer.Serialize(List()), ("Content-Type", "application/json"))
            : ScriptReply.Text(404, "", ("X-Error-Code", "RepoNotFound"), ("X-Error-Message", "Repository not found"));
    }

    private sealed class Recorder(List<ModelDownloadProgress> into) : IProgress<ModelDownloadProgress>
    {
        public void Report(ModelDownloadProgress value)
        {
            lock (into)
                into.Add(value);
        }
    }
}
