using KvChat.Models;
using KvChat.Runtime.Models;
using KvChat.Runtime.Sampling;
using KvChat.Tests.Client;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Models;

/// <summary>Models in the Hugging Face layout: the embedded one written as such a folder, and lists of files as hubs and disks have them.</summary>
public sealed class FolderModelTests : IDisposable
{
    private const string End = "<|im_end|>";

    private static readonly string[] Whole =
        ["README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.json", "onnx/model.onnx"];

    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-folder-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, "")]
    [InlineData(3, "config.json")]
    public async Task A_client_serves_a_folder_with_the_answers_of_the_same_model_as_GGUF(int shards, string file)
    {
        HuggingFaceFolder.Write(SharedFiles.EmbeddedModel, _folder, End, shards);
        await using var client = new KvCompressChatClient(new KvCompressChatOptions { Model = Path.Combine(_folder, file), CacheBytes = 16 << 20 });
        ChatResponse response = await client.GetResponseAsync(EmbeddedClient.Ask(3));
        Assert.Equal(EmbeddedClient.Answer, response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(Path.GetFileName(_folder), response.ModelId);
    }

    [Fact]
    public async Task A_client_fetches_a_model_without_GGUF_from_the_hub()
    {
        HuggingFaceFolder.Write(SharedFiles.EmbeddedModel, _folder, End, shards: 2);
        await using var hub = new FakeHub([("README.md", [1]), .. Directory.GetFiles(_folder).Select(f => (Path.GetFileName(f), File.ReadAllBytes(f)))]);
        var options = new KvCompressChatOptions { Model = "hf:owner/name", CacheBytes = 16 << 20 };
        await using (var client = new KvCompressChatClient(options, null, TimeProvider.System, new ModelLocator(hub.Options)))
            Assert.Equal(EmbeddedClient.Answer, (await client.GetResponseAsync(EmbeddedClient.Ask(3))).Text);
        Assert.Equal(8, hub.Downloads.Count); // all but the README
        LocatedModel again = await hub.LocateAsync("hf:owner/name");
        Assert.Equal((8, hub.Snapshot("config.json")), (hub.Downloads.Count, again.Path));
    }

    [Fact]
    public async Task A_fetch_of_a_folder_that_breaks_off_leaves_nothing_that_counts_as_the_model()
    {
        await using var hub = new FakeHub(("config.json", [1]), ("tokenizer.json", [2]), ("model.safetensors", FakeHub.Bytes(1000)));
        hub.Intercept = r => FakeHub.IsDownload(r) && r.Path == "/store/" + FakeHub.Hash(hub.Files["model.safetensors"]) ? hub.Content(r) with { BreakAfter = 10 } : null;
        await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        hub.Options.HubOffline = true;
        await Assert.ThrowsAsync<ModelNotFoundException>(() => hub.LocateAsync("hf:owner/name"));
        hub.Options.HubOffline = false;
        hub.Intercept = static _ => null;
        Assert.Equal(3, (await hub.LocateAsync("hf:owner/name")).Files.Count);
    }

    [Fact]
    public void Of_a_folders_files_those_are_taken_that_are_read() => Assert.Equal(
        ["config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json", "model.safetensors"], ModelFiles.Choose("m", "it", Whole, null));

    [Fact]
    public void GGUF_files_come_first_where_nothing_is_asked_for()
    {
        Assert.Equal(["a.gguf"], ModelFiles.Choose("m", "it", [.. Whole, "a.gguf"], null));
        Assert.Equal("config.json", ModelFiles.Choose("m", "it", [.. Whole, "a.gguf"], "SafeTensors")[0]);
        Assert.Throws<ModelNotFoundException>(() => ModelFiles.Choose("m", "it", Whole, "Q4_K_M"));
    }

    [Theory]
    [InlineData("tokenizer.json", "config.json", "model.safetensors")]
    [InlineData("model.safetensors.index.json", "config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")]
    [InlineData("1 of 2", "config.json", "tokenizer.json", "model.safetensors.index.json", "model-00002-of-00002.safetensors")]
    [InlineData("model.safetensors", "config.json", "tokenizer.json")]
    [InlineData("no GGUF file", "pytorch_model.bin", "tokenizer.json")]
    public void A_folder_that_lacks_something_is_an_error_that_names_it(string named, params string[] files) =>
        Assert.Contains(named, Assert.Throws<ModelNotFoundException>(() => ModelFiles.Choose("m", "it", files, null)).Message, StringComparison.Ordinal);

    [Fact]
    public void What_generation_should_mind_comes_from_the_folder()
    {
        HuggingFaceFolder.Write(SharedFiles.EmbeddedModel, _folder, End);
        Write("generation_config.json", """{"do_sample":true,"temperature":0.6,"top_k":20,"top_p":0.95,"repetition_penalty":1.1,"eos_token_id":[2,5]}""");
        Write("tokenizer_config.json", """{"eos_token":{"content":"<|im_end|>"},"chat_template":[{"name":"rag","template":"no"},{"name":"default","template":"yes"}]}""");
        File.Delete(Path.Combine(_folder, "chat_template.jinja"));
        using (LoadedModel model = LoadedModel.Load(_folder))
        {
            Assert.Equal(new SamplingOptions { Temperature = 0.6f, TopK = 20, TopP = 0.95f, RepetitionPenalty = 1.1f }, model.Sampling);
            Assert.Equal("yes", model.ChatTemplate);
            Assert.Subset(model.Tokenizer.EndOfGenerationIds.ToHashSet(), new HashSet<int> { 2, 5 });
        }

        Write("generation_config.json", """{"temperature":0.6,"top_k":20}""");
        Write("chat_template.json", """{"chat_template":"old"}""");
        using (LoadedModel model = LoadedModel.Load(_folder))
        {
            Assert.Equal(0, model.Sampling.Temperature); // greedy, as long as nobody says do_sample
            Assert.Equal("old", model.ChatTemplate);
        }

        Write("generation_config.json", """{"do_sample":true,"top_p":7}""");
        Assert.Equal("generation_config", Assert.Throws<ModelFileException>(() => LoadedModel.Load(_folder)).Field);
        Write("generation_config.json", """{"eos_token_id":"two"}""");
        Assert.Equal("eos_token_id", Assert.Throws<ModelFileException>(() => LoadedModel.Load(_folder)).Field);
        File.Delete(Path.Combine(_folder, "tokenizer.json"));
        Write("generation_config.json", "{}");
        Assert.Contains("tokenizer.json", Assert.Throws<FileNotFoundException>(() => LoadedModel.Load(_folder)).Message, StringComparison.Ordinal);
    }

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_folder, name), text);
}
