using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.Options;

namespace KvChat.Tests.DependencyInjection;

public sealed class OptionsValidatorTests
{
    [Fact]
    public void The_defaults_are_right() => Assert.True(Validate(new KvCompressChatOptions()).Succeeded);

    [Fact]
    public void Every_wrong_field_is_named_with_its_value_and_what_would_be_right()
    {
        ValidateOptionsResult result = Validate(new KvCompressChatOptions
        {
            Model = "no/such/file.gguf", ModelId = "", CacheBytes = 0, MaxQueuedRequests = 0, MaxSequences = 0, ContextTokens = 0, PageTokens = 20, StepTokens = 1,
            Threads = -1, Activations = (ActivationPrecision)9, CudaProducts = (CudaProductSource)9, ChatTemplate = "", Compression = new KvCompression { RetainedRatio = 0 },
        });
        string[] failures = [.. result.Failures!];
        Assert.Equal(13, failures.Length);
        Assert.All(failures, f => Assert.Contains("must be", f, StringComparison.Ordinal));
        Assert.Contains(failures, f => f == "KvCompressChatOptions.PageTokens is 20; it must be 16 or 32.");
        Assert.Contains(failures, f => f.StartsWith("KvCompressChatOptions.Model is \"no/such/file.gguf\"", StringComparison.Ordinal));
        Assert.Contains(failures, f => f == "KvCompressChatOptions.Compression: KvCompression.RetainedRatio is 0; it must be above 0 and at most 1.");
    }

    private static ValidateOptionsResult Validate(KvCompressChatOptions options) => new KvCompressChatOptionsValidator().Validate("", options);
}
