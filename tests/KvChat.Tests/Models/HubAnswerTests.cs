using System.Net;
using KvChat.Models;
using KvChat.Tests.Templates;

namespace KvChat.Tests.Models;

/// <summary>What the hub may answer: refusals, redirections, lies.</summary>
public sealed class HubAnswerTests
{
    private const string File1 = "model-Q4_K_M.gguf";

    private static readonly byte[] Contents = FakeHub.Bytes(300_000);

    [Fact]
    public async Task The_token_goes_to_the_hub_and_to_nobody_else()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.HubToken = "hf_secret";
        await hub.LocateAsync("hf:owner/name");
        Assert.Equal(3, hub.Requests.Count);
        Assert.All(hub.Requests, r => Assert.Equal(r.Host == "127.0.0.1" ? "Bearer hf_secret" : null, r.Headers.GetValueOrDefault("authorization")));
        Assert.Equal("localhost", Assert.Single(hub.Downloads).Host);
    }

    [Fact]
    public async Task Without_a_token_none_is_sent()
    {
        await using var hub = new FakeHub((File1, Contents));
        await hub.LocateAsync("hf:owner/name");
        Assert.All(hub.Requests, r => Assert.False(r.Headers.ContainsKey("authorization")));
    }

    [Theory]
    [InlineData(401, null, "set HF_TOKEN")]
    [InlineData(401, "hf_old", "HF_TOKEN is not accepted")]
    [InlineData(403, "hf_other", "gated")]
    [InlineData(404, null, "There is no repository owner/name, or no revision main in it")]
    [InlineData(418, null, "HF_ENDPOINT")]
    public async Task A_refused_list_says_what_would_help_and_is_not_asked_for_again(int status, string? token, string hint)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.HubToken = token;
        hub.Intercept = _ => ScriptReply.Text(status, "", ("X-Error-Message", "Because."));
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Equal((HttpStatusCode)status, error.Status);
        Assert.Contains(hint, error.Hint, StringComparison.Ordinal);
        Assert.Contains("/api/models/owner/name/revision/main", error.Message, StringComparison.Ordinal);
        Assert.Contains("Because", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_o", error.ToString(), StringComparison.Ordinal);
        Assert.Single(hub.Requests);
    }

    [Theory]
    [InlineData(403, "gated")]
    [InlineData(404, "There is no file model-Q4_K_M.gguf in owner/name at main")]
    public async Task A_refused_file_says_what_would_help(int status, string hint)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsResolve(r) ? ScriptReply.Text(status, "") : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Equal(($"/owner/name/resolve/{FakeHub.Commit}/{File1}", (HttpStatusCode?)status), (error.Url.AbsolutePath, error.Status));
        Assert.Contains(hint, error.Hint, StringComparison.Ordinal);
        Assert.Empty(hub.Waits);
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("Mon, 01 Jan 2024 00:00:09 GMT", 9)]
    [InlineData("Sun, 31 Dec 2023 00:00:00 GMT", 0)]
    public async Task Too_many_requests_waits_as_long_as_the_hub_asks(string retryAfter, int seconds)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.Clock = new FixedClock(new DateTimeOffset(2024, 1, 1, 0, 0, 0, TimeSpan.Zero));
        hub.Intercept = r => FakeHub.IsList(r) && hub.Requests.Count == 1 ? ScriptReply.Text(429, "", ("Retry-After", retryAfter)) : null;
        await hub.LocateAsync("hf:owner/name");
        Assert.Equal([TimeSpan.FromSeconds(seconds)], hub.Waits);
    }

    [Fact]
    public async Task A_hub_that_wants_a_long_wait_is_not_waited_for()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = _ => ScriptReply.Text(429, "", ("Retry-After", "4000"));
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Equal(HttpStatusCode.TooManyRequests, error.Status);
        Assert.Contains("4000 seconds", error.Message, StringComparison.Ordinal);
        Assert.Empty(hub.Waits);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    public async Task A_broken_server_is_asked_again_with_growing_waits(int status)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsDownload(r) ? ScriptReply.Text(status, "") : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Equal((HttpStatusCode)status, error.Status);
        Assert.Equal([1, 2, 4, 8], hub.Waits.Select(w => w.TotalSeconds));
        Assert.DoesNotContain("signature", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_whose_signature_ran_out_is_asked_again_through_the_hub()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsDownload(r) && hub.Downloads.Count == 1 ? ScriptReply.Text(403, "") : null;
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal(2, hub.Requests.Count(FakeHub.IsResolve));
    }

    [Fact]
    public async Task Contents_with_another_hash_never_appear()
    {
        await using var hub = new FakeHub((File1, Contents));
        byte[] other = FakeHub.Bytes(Contents.Length, seed: 2);
        hub.Intercept = r => FakeHub.IsDownload(r) ? new ScriptReply(200, other) : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains($"has the hash {FakeHub.Hash(other)}; it must be {FakeHub.Hash(Contents)}", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(hub.Blob(File1)));
        Assert.False(Path.Exists(hub.Snapshot(File1)));
        Assert.Equal(0, new FileInfo(hub.Blob(File1) + ".incomplete").Length);
    }

    [Theory]
    [InlineData("X-Linked-Etag", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "has the hash ffff")]
    [InlineData("X-Linked-Size", "299999", "has 299999 bytes by its own account")]
    public async Task A_file_of_which_the_hub_says_two_things_is_refused(string header, string value, string message)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => !FakeHub.IsResolve(r) ? null : hub.Redirection(r) is var right ? right with { Headers = [.. right.Headers.Where(h => h.Name != header), (header, value)] } : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(hub.Snapshot(File1)));
    }

    [Theory]
    [InlineData(1_000_000L, "has 1000000 bytes by its own account")]
    [InlineData(null, "sends more than the 300000 bytes")]
    public async Task A_longer_file_than_was_listed_is_refused(long? length, string message)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsDownload(r) ? new ScriptReply(200, FakeHub.Bytes(1_000_000)) { Length = length } : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.InRange(new FileInfo(hub.Blob(File1) + ".incomplete").Length, 0, Contents.Length);
    }

    [Fact]
    public async Task Size_and_hash_that_the_list_leaves_out_are_asked_for()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsList(r) ? ScriptReply.Text(200, $$"""{"sha":"{{FakeHub.Commit}}","siblings":[{"rfilename":"{{File1}}"}]}""") : null;
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal("HEAD", hub.Requests[1].Method);
    }

    [Fact]
    public async Task A_file_without_any_hash_is_refused()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsList(r)
            ? ScriptReply.Text(200, $$"""{"sha":"{{FakeHub.Commit}}","siblings":[{"rfilename":"{{File1}}","size":300000}]}""")
            : new ScriptReply(200, Contents, ("ETag", "\"../../../etc/passwd\""));
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("without a size and a hash", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_small_file_is_checked_by_the_hash_that_git_gives_it()
    {
        byte[] hello = "hello\n"u8.ToArray(); // git's id of these six bytes is well known
        await using var hub = new FakeHub((File1, hello));
        string list = $$"""{"sha":"{{FakeHub.Commit}}","siblings":[{"rfilename":"{{File1}}","size":6,"blobId":"ce013625030ba8dba906f756967f9e9ca394464a"}]}""";
        hub.Intercept = r => FakeHub.IsList(r) ? ScriptReply.Text(200, list) : FakeHub.IsResolve(r) ? new ScriptReply(200, hello) : null;
        Assert.Equal(hello, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
    }

    [Theory]
    [InlineData("../../../evil.gguf")]
    [InlineData("/evil.gguf")]
    [InlineData("a\\..\\evil.gguf")]
    [InlineData("c:evil.gguf")]
    [InlineData("a//evil.gguf")]
    [InlineData("nul.gguf")]
    [InlineData("evil\u202e.gguf\n.gguf")]
    public async Task A_name_that_leads_out_of_the_cache_is_refused(string path)
    {
        await using var hub = new FakeHub((path, Contents));
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("no path inside of a repository", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(error.Message, c => char.IsControl(c) || c == '\u202e');
        Assert.Single(hub.Requests);
    }

    [Theory]
    [InlineData("""{"sha":"../../../../evil","siblings":[]}""", "\"sha\" must be a commit")]
    [InlineData("""{"siblings":[]}""", "\"sha\" must be a commit")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567"}""", "\"siblings\" must be a list")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":7}]}""", "rfilename")]
    [InlineData("<html>Sign in to this network</html>", "no list of a repository")]
    [InlineData("null", "\"sha\" must be a commit")]
    public async Task An_answer_that_is_no_list_is_an_error(string text, string message)
    {
        await using var hub = new FakeHub();
        hub.Intercept = _ => ScriptReply.Text(200, text);
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Single(hub.Requests);
    }

    [Theory]
    [InlineData("file:///etc/passwd", "redirects to no address")]
    [InlineData(null, "redirects to no address")]
    [InlineData("/api/models/owner/name/revision/main", "redirects more than 10 times")]
    public async Task A_redirection_to_nowhere_is_an_error(string? location, string message)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = _ => ScriptReply.Text(302, "", location is null ? [] : [("Location", location)]);
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_models_are_listed_and_so_is_what_there_is_where_none_fits()
    {
        await using var hub = new FakeHub((File1, Contents), ("model-Q8_0.gguf", Contents), ("mmproj-F16.gguf", Contents));
        var several = await Assert.ThrowsAsync<ModelNotFoundException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Equal([File1, "model-Q8_0.gguf"], several.Available);
        var none = await Assert.ThrowsAsync<ModelNotFoundException>(() => hub.LocateAsync("hf:owner/name:Q4_K"));
        Assert.Equal([File1, "model-Q8_0.gguf"], none.Available);
        Assert.Contains("There is: model-Q4_K_M.gguf, model-Q8_0.gguf.", none.Message, StringComparison.Ordinal);
        Assert.Empty(hub.Downloads);
    }

    [Fact]
    public async Task Offline_asks_nobody()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.HubOffline = null;
        hub.Options.Environment = name => name == "HF_HUB_OFFLINE" ? "1" : null;
        var error = await Assert.ThrowsAsync<ModelNotFoundException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("HF_HUB_OFFLINE", error.Message, StringComparison.Ordinal);
        Assert.Empty(hub.Requests);
        hub.Options.HubOffline = false;
        LocatedModel model = await hub.LocateAsync("hf:owner/name");
        int asked = hub.Requests.Count;
        hub.Options.HubOffline = null;
        Assert.Equal(model.Path, (await hub.LocateAsync("hf:owner/name:q4_k_m")).Path);
        Assert.Equal([File1], (await Assert.ThrowsAsync<ModelNotFoundException>(() => hub.LocateAsync("hf:owner/name:Q8_0"))).Available);
        Assert.Equal(asked, hub.Requests.Count);
    }

    [Fact]
    public async Task A_cached_model_is_used_while_the_hub_cannot_be_reached()
    {
        await using var hub = new FakeHub((File1, Contents));
        LocatedModel model = await hub.LocateAsync("hf:owner/name");
        hub.Intercept = _ => ScriptReply.Text(503, "");
        Assert.Equal(model.Path, (await hub.LocateAsync("hf:owner/name")).Path);
        hub.Intercept = _ => ScriptReply.Text(403, "");
        await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name")); // an answer is an answer
        await hub.StopAsync();
        Assert.Equal(model.Path, (await hub.LocateAsync("hf:owner/name")).Path);
        Assert.Empty(hub.Waits);
    }

    [Fact]
    public async Task A_cached_commit_needs_no_question()
    {
        await using var hub = new FakeHub((File1, Contents));
        LocatedModel model = await hub.LocateAsync($"hf:owner/name@{FakeHub.Commit}:Q4_K_M");
        int asked = hub.Requests.Count;
        Assert.Equal(model.Path, (await hub.LocateAsync($"hf:owner/name@{FakeHub.Commit}:Q4_K_M")).Path);
        Assert.Equal(asked, hub.Requests.Count);
        Assert.False(Directory.Exists(Path.Combine(hub.Repository, "refs")));
    }

    [Fact]
    public async Task The_environment_says_where_the_hub_and_its_cache_are()
    {
        await using var hub = new FakeHub((File1, Contents));
        string endpoint = hub.Options.HubEndpoint!;
        string home = hub.Options.HubCache!;
        Dictionary<string, string> variables = new() { ["HF_ENDPOINT"] = endpoint + "/", ["HF_HOME"] = "~/of-hf", ["HOME"] = home, ["USERPROFILE"] = home, ["HF_TOKEN"] = " hf_env\n" };
        var options = new ModelLocatorOptions { Environment = variables.GetValueOrDefault };
        LocatedModel model = await new ModelLocator(options).LocateAsync("hf:owner/name");
        Assert.StartsWith(Path.Combine(home, "of-hf", "hub", "models--owner--name"), model.Path, StringComparison.Ordinal);
        Assert.Equal("Bearer hf_env", hub.Requests[0].Headers["authorization"]);
        variables["HF_HUB_CACHE"] = Path.Combine(home, "elsewhere");
        Assert.StartsWith(Path.Combine(home, "elsewhere", "models--owner--name"), (await new ModelLocator(options).LocateAsync("hf:owner/name")).Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HF_TOKEN", "hf_two words")]
    [InlineData("HF_ENDPOINT", "hub.example")]
    [InlineData("HF_ENDPOINT", "ftp://hub.example")]
    [InlineData("HF_ENDPOINT", "https://me:hf_two@hub.example")]
    public async Task A_wrong_variable_is_named_but_no_secret_shown(string name, string value)
    {
        var options = new ModelLocatorOptions { Environment = n => n == name ? value : null };
        var error = await Assert.ThrowsAsync<ArgumentException>(() => new ModelLocator(options).LocateAsync("hf:owner/name"));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_two", error.Message, StringComparison.Ordinal);
    }
}
