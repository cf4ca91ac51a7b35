using KvChat.TestSupport;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>The code of the package's README, compiled and run.</summary>
public sealed class ReadmeSamples
{
    [Fact]
    public async Task A_client_on_torch()
    {
        ServiceCollection services = new();
        services.AddKvCompressChatClient(o =>
        {
            o.Model = KvCompressChatOptions.EmbeddedModel;
            o.BackendFactory = TorchBackend.Create; // leave it out for the CPU's own kernels
        });
        services.Configure<KvCompressChatOptions>(o => o.CacheBytes = 8 << 20);
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.NotEmpty((await provider.GetRequiredService<IChatClient>().GetResponseAsync("Hello")).Text);
        Assert.StartsWith("TorchSharp, libtorch 2.", provider.GetRequiredService<IChatClient>().GetService<Models.LoadedModel>()!.Transformer.Backend.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_sample_of_the_readme_stands_here()
    {
        string sample = Assert.Single(ReadmeCode.Samples("runtime/KvChat.Runtime.TorchSharp/README.md"));
        Assert.Contains(sample, ReadmeCode.Of("tests/KvChat.Runtime.TorchSharp.Tests/ReadmeSamples.cs"), StringComparison.Ordinal);
    }
}
