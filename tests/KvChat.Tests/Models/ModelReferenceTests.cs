using KvChat.Models;

namespace KvChat.Tests.Models;

public sealed class ModelReferenceTests
{
    [Theory]
    [InlineData("hf:Qwen/Qwen3-4B-GGUF", "Qwen", "Qwen3-4B-GGUF", "main", null)]
    [InlineData("HF:Qwen/Qwen3-4B-GGUF:Q4_K_M", "Qwen", "Qwen3-4B-GGUF", "main", "Q4_K_M")]
    [InlineData("hf:a/b:sub/file-00001-of-00002.gguf", "a", "b", "main", "sub/file-00001-of-00002.gguf")]
    [InlineData("hf:a/b@refs/pr/3:x.gguf", "a", "b", "refs/pr/3", "x.gguf")]
    [InlineData("a/b.c_d:file.gguf", "a", "b.c_d", "main", "file.gguf")]
    public void Hub(string model, string owner, string repository, string revision, string? choice)
    {
        var hub = Assert.IsType<HubReference>(ModelReference.Parse(model));
        Assert.Equal((owner, repository, revision, choice), (hub.Owner, hub.Repository, hub.Revision, hub.Choice));
    }

    [Theory]
    [InlineData("ollama:llama3.2", "registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest")]
    [InlineData("ollama:llama3.2:3b-instruct-q4_K_M", "registry.ollama.ai/library/llama3.2:3b-instruct-q4_K_M", "llama3.2:3b-instruct-q4_K_M")]
    [InlineData("ollama:me/mine:2", "registry.ollama.ai/me/mine:2", "me/mine:2")]
    [InlineData("ollama:localhost:5000/me/mine", "localhost:5000/me/mine:latest", "localhost:5000/me/mine:latest")]
    public void Ollama(string model, string full, string name)
    {
        var ollama = Assert.IsType<OllamaReference>(ModelReference.Parse(model));
        Assert.Equal((full, name), ($"{ollama.Host}/{ollama.Namespace}/{ollama.Model}:{ollama.Tag}", ollama.Name));
    }

    [Theory]
    [InlineData("models/a.gguf", "a")]
    [InlineData("owner/name", "name")]
    [InlineData("a/b/c:d", "c:d")]
    [InlineData("../b:d", "b:d")]
    [InlineData("EMBEDDED", "kvchat-tiny-q8_0")]
    public void Files(string model, string name) => Assert.Equal(name, Assert.IsType<FileReference>(ModelReference.Parse(model)).Name);

    [Fact]
    public void A_path_that_exists_is_no_name_of_the_hub()
    {
        string folder = Directory.CreateTempSubdirectory("kvchat-names-").FullName;
        try
        {
            string relative = Path.GetRelativePath(Environment.CurrentDirectory, folder);
            Assert.IsType<FileReference>(ModelReference.Parse(relative));
            Assert.IsType<FileReference>(ModelReference.Parse(folder));
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("hf:")]
    [InlineData("hf:gpt2")]
    [InlineData("hf:../x")]
    [InlineData("hf:a/..:x.gguf")]
    [InlineData("hf:a/b--c")]
    [InlineData("hf:a/b:")]
    [InlineData("hf:a/b:../../x.gguf")]
    [InlineData("hf:a/b@../../main")]
    [InlineData("hf:a/b c")]
    [InlineData("ollama:")]
    [InlineData("ollama:../../x")]
    [InlineData("ollama:a:b/../c")]
    [InlineData("ollama:a/b/c/d")]
    [InlineData("a\0b")]
    public async Task What_is_no_name_is_refused_with_what_would_be_right(string model)
    {
        Assert.StartsWith("must ", Assert.Throws<FormatException>(() => ModelReference.Parse(model)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => new ModelLocator().LocateAsync(model));
    }
}
