using KvChat.Kernels;

namespace KvChat.Tests.Client;

/// <summary>Back ends by their names.</summary>
public sealed class BackendTests
{
    [Fact]
    public void A_back_end_whose_package_is_not_referenced_is_refused_with_the_packages_name()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => KvCompressChatClient.Load(new KvCompressChatOptions { Backend = BackendKind.TorchSharp }));
        Assert.Contains("Backend is TorchSharp", error.Message, StringComparison.Ordinal);
        Assert.Contains("KvChat.Runtime.TorchSharp", error.Message, StringComparison.Ordinal);
    }
}
