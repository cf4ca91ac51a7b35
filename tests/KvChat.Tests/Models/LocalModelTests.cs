using System.Text.Json;
using KvChat.Models;
using KvChat.Tests.Client;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Tests.Models;

/// <summary>Paths, Ollama's store, and the client on top of both.</summary>
public sealed class LocalModelTests : IDisposable
{
    private const string Digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-models-").FullName;

    [Fact]
    public async Task A_path_names_its_file()
    {
        Write("a.gguf", 1);
        Write("b-00001-of-00002.gguf", 1);
        Write("b-00002-of-00002.gguf", 1);
        LocatedModel whole = await LocateAsync(PathOf("a.gguf"));
        Assert.Equal(("a", PathOf("a.gguf")), (whole.Name, whole.Path));
        LocatedModel split = await LocateAsync(PathOf("b-00002-of-00002.gguf"));
        Assert.Equal([PathOf("b-00001-of-00002.gguf"), PathOf("b-00002-of-00002.gguf")], split.Files);
        var missing = await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync(PathOf("c.gguf")));
        Assert.Contains(PathOf("a.gguf"), missing.Available);
    }

    [Fact]
    public async Task A_folder_names_the_one_model_in_it()
    {
        Write("one/b-00001-of-00002.gguf", 1);
        Write("one/b-00002-of-00002.gguf", 1);
        Write("one/mmproj.gguf", 1);
        LocatedModel model = await LocateAsync(PathOf("one") + Path.DirectorySeparatorChar);
        Assert.Equal(("one", 2, PathOf("one/b-00001-of-00002.gguf")), (model.Name, model.Files.Count, model.Path));
        Write("one/c.gguf", 1);
        var several = await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync(PathOf("one")));
        Assert.Equal(["b.gguf", "c.gguf"], several.Available);
    }

    [Theory]
    [InlineData("ollama:tiny", "registry.ollama.ai/library/tiny/latest")]
    [InlineData("ollama:TINY:8b", "registry.ollama.ai/library/tiny/8b")]
    [InlineData("ollama:hf.co/owner/name:Q8_0", "hf.co/owner/name/Q8_0")]
    public async Task A_model_of_Ollama_is_found_by_its_manifest(string model, string manifest)
    {
        Pull(manifest, $"sha256:{Digest}", 7);
        Write($"blobs/sha256-{Digest}", 7);
        Assert.Equal(PathOf($"blobs/sha256-{Digest}"), (await LocateAsync(model)).Path);
    }

    [Fact]
    public async Task Ollamas_store_is_where_the_environment_says()
    {
        Pull("registry.ollama.ai/library/tiny/latest", $"sha256:{Digest}", 7, ".ollama/models/");
        Write($".ollama/models/blobs/sha256-{Digest}", 7);
        Assert.Equal(PathOf($".ollama/models/blobs/sha256-{Digest}"), (await LocateAsync("ollama:tiny", ("HOME", _folder), ("USERPROFILE", _folder))).Path);
        Assert.Equal(
            PathOf($".ollama/models/blobs/sha256-{Digest}"), (await LocateAsync("ollama:tiny", ("HOME", "/nowhere"), ("OLLAMA_MODELS", PathOf(".ollama/models")))).Path);
        var none = await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync("ollama:tiny", ("OLLAMA_MODELS", PathOf("nowhere"))));
        Assert.Contains("OLLAMA_MODELS", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_Ollama_does_not_have_is_answered_with_those_it_has()
    {
        Pull("registry.ollama.ai/library/tiny/latest", $"sha256:{Digest}", 7);
        Pull("registry.ollama.ai/me/tiny/8b", $"sha256:{Digest}", 7);
        Pull("hf.co/owner/name/Q8_0", $"sha256:{Digest}", 7);
        var error = await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync("ollama:tiny:7b"));
        Assert.Equal(["hf.co/owner/name:Q8_0", "me/tiny:8b", "tiny:latest"], error.Available);
        Assert.Contains("ollama pull tiny:7b", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sha256:../../../etc/passwd", 7, "64 hexadecimal digits")]
    [InlineData("md5:aa", 7, "64 hexadecimal digits")]
    [InlineData("sha256:" + Digest, 8, "by its manifest it must have 8")]
    [InlineData("sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 7, "there is no file")]
    public async Task A_manifest_that_does_not_fit_the_store_is_an_error(string digest, long size, string message)
    {
        Pull("registry.ollama.ai/library/tiny/latest", digest, size);
        Write($"blobs/sha256-{Digest}", 7);
        Assert.Contains(message, (await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync("ollama:tiny"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"layers":[{"mediaType":"application/vnd.ollama.image.template","digest":"x","size":1}]}""", "lists 0 layers")]
    [InlineData("""{"layers":[null,{"mediaType":"application/vnd.ollama.image.model"}]}""", "must be one, with a digest")]
    [InlineData("""{"layers":[{"mediaType":"application/vnd.ollama.image.adapter","digest":"x","size":1}]}""", "adapter")]
    [InlineData("""{"layers":7}""", "cannot be read")]
    [InlineData("{}", "lists 0 layers")]
    [InlineData("not JSON", "cannot be read")]
    public async Task A_manifest_without_one_model_is_an_error(string manifest, string message)
    {
        Write("manifests/registry.ollama.ai/library/tiny/latest", 0);
        File.WriteAllText(PathOf("manifests/registry.ollama.ai/library/tiny/latest"), manifest);
        Assert.Contains(message, (await Assert.ThrowsAsync<ModelNotFoundException>(() => LocateAsync("ollama:tiny"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_serves_a_model_of_Ollama()
    {
        Pull("registry.ollama.ai/library/tiny/latest", $"sha256:{Digest}", new FileInfo(SharedFiles.EmbeddedModel).Length);
        Write($"blobs/sha256-{Digest}", 0);
        File.Copy(SharedFiles.EmbeddedModel, PathOf($"blobs/sha256-{Digest}"), overwrite: true);
        var options = new KvCompressChatOptions { Model = "ollama:tiny", CacheBytes = 16 << 20 };
        await using var client = new KvCompressChatClient(options, null, TimeProvider.System, new ModelLocator(new ModelLocatorOptions { OllamaModels = _folder }));
        ChatResponse response = await client.GetResponseAsync(EmbeddedClient.Ask(3));
        Assert.Equal(EmbeddedClient.Answer, response.Text);
        Assert.Equal("tiny:latest", response.ModelId);
    }

    [Fact]
    public async Task A_client_of_a_service_collection_fetches_its_model_through_the_locator_that_is_registered()
    {
        await using var hub = new FakeHub(("tiny-Q8_0.gguf", await File.ReadAllBytesAsync(SharedFiles.EmbeddedModel)));
        await using ServiceProvider services = new ServiceCollection()
            .AddSingleton(new ModelLocator(hub.Options))
            .AddKvCompressChatClient(o => (o.Model, o.CacheBytes) = ("hf:owner/name:q8_0", 16 << 20))
            .BuildServiceProvider();
        var client = services.GetRequiredService<KvCompressChatClient>();
        Assert.Empty(hub.Requests); // nothing is asked for before the model is needed
        ChatResponse response = await client.GetResponseAsync(EmbeddedClient.Ask(3));
        Assert.Equal((EmbeddedClient.Answer, "owner/name:q8_0"), (response.Text, response.ModelId));
        Assert.Single(hub.Downloads);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string PathOf(string path) => Path.Combine([_folder, .. path.Split('/')]);

    private void Write(string path, int bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(path))!);
        File.WriteAllBytes(PathOf(path), new byte[bytes]);
    }

    private void Pull(string manifest, string digest, long size, string below = "")
    {
        string path = PathOf($"{below}manifests/{manifest}");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, JsonSerializer.Serialize(new
        {
            schemaVersion = 2,
            config = new { mediaType = "application/vnd.docker.container.image.v1+json", digest = "sha256:" + new string('c', 64), size = 3 },
            layers = new object[]
            {
                new { mediaType = "application/vnd.ollama.image.template", digest = "sha256:" + new string('d', 64), size = 5 },
                new { mediaType = "application/vnd.ollama.image.model", digest, size, from = "elsewhere" },
            },
        }));
    }

    private Task<LocatedModel> LocateAsync(string model, params (string Name, string Value)[] environment) => new ModelLocator(new ModelLocatorOptions
    {
        OllamaModels = environment.Length == 0 ? _folder : null,
        Environment = name => environment.FirstOrDefault(e => e.Name == name).Value,
    }).LocateAsync(model);
}
