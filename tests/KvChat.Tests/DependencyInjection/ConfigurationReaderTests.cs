using KvChat.DependencyInjection;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KvChat.Tests.DependencyInjection;

public sealed class ConfigurationReaderTests
{
    [Fact]
    public void Every_option_can_be_configured()
    {
        KvCompressChatOptions options = Read(new()
        {
            ["Model"] = "a.gguf", ["ModelId"] = "a", ["CacheBytes"] = "6 GiB", ["MaxQueuedRequests"] = "3", ["MaxSequences"] = "4", ["ContextTokens"] = "5",
            ["PageTokens"] = "32", ["StepTokens"] = "64", ["HoldFinishedSequences"] = "false", ["Threads"] = "2", ["LoadInBackground"] = "true", ["Activations"] = "float32", ["ChatTemplate"] = "t", ["CudaProducts"] = "cublas",
            ["Compression:RetainedRatio"] = "0.25", ["compression:schedule"] = "WhileReading", ["Compression:PoolWidth"] = "15",
        });
        Assert.Equal(("a.gguf", "a", 6L << 30, 3, 4), (options.Model, options.ModelId, options.CacheBytes, options.MaxQueuedRequests, options.MaxSequences));
        Assert.Equal((5, 32, 64, false, 2), (options.ContextTokens, options.PageTokens, options.StepTokens, options.HoldFinishedSequences, options.Threads));
        Assert.Equal((ActivationPrecision.Float32, "t", true, CudaProductSource.Cublas), (options.Activations, options.ChatTemplate, options.LoadInBackground, options.CudaProducts));
        Assert.Equal(new KvCompression { RetainedRatio = 0.25, Schedule = CompressionSchedule.WhileReading, PoolWidth = 15 }, options.Compression);
        string[] known = [.. typeof(KvCompressChatOptions).GetProperties().Select(p => p.Name).Order()];
        string error = Assert.Throws<OptionsValidationException>(() => Read(new() { ["Nonsense"] = "1" })).Message;
        Assert.All(known, name => Assert.Contains(name, error, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_field_of_compression_can_be_configured()
    {
        string error = Assert.Throws<OptionsValidationException>(() => Read(new() { ["Compression:Nonsense"] = "1" })).Message;
        Assert.All(
            typeof(KvCompression).GetProperties().Where(p => p.SetMethod is { IsStatic: false }).Select(p => p.Name),
            name => Assert.Contains(name, error, StringComparison.Ordinal));
    }

    [Fact]
    public void Off_is_a_word()
    {
        Assert.Equal(KvCompression.Off, Read(new() { ["Compression"] = "Off" }).Compression);
        Assert.Throws<OptionsValidationException>(() => Read(new() { ["Compression"] = "8x" }));
    }

    [Theory]
    [InlineData("CacheBytes", "6 bananas")]
    [InlineData("CacheBytes", "9223372036854775807 GiB")]
    [InlineData("MaxSequences", "many")]
    [InlineData("Activations", "Int4")]
    [InlineData("Activations", "7")]
    [InlineData("HoldFinishedSequences", "perhaps")]
    [InlineData("Compression:RetainedRatio", "half")]
    [InlineData("Compression:Query", "Maybe")]
    [InlineData("BackendFactory", "TorchBackend")]
    [InlineData("TokenizerFactory", "EngineTokenizer")]
    public void A_value_that_cannot_be_read_is_named_with_its_key(string key, string value)
    {
        string error = Assert.Throws<OptionsValidationException>(() => Read(new() { [key] = value })).Message;
        Assert.Contains($"KvChat:{key} is \"{value}\"; it must be ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mistyped_key_is_an_error() =>
        Assert.Contains("KvChat:CacheByte ", Assert.Throws<OptionsValidationException>(() => Read(new() { ["CacheByte"] = "1" })).Message, StringComparison.Ordinal);

    private static KvCompressChatOptions Read(Dictionary<string, string?> values)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(values.Select(v => KeyValuePair.Create($"KvChat:{v.Key}", v.Value))).Build();
        var options = new KvCompressChatOptions();
        new ConfigurationReader("").Read(configuration.GetSection("KvChat"), options);
        return options;
    }
}
