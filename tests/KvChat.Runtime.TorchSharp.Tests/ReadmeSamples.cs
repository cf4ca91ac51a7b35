using KvChat.Kernels;
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
            o.Backend = BackendKind.TorchSharp; // CUDA tensors where torch has a device, else the processor's
        });
        services.Configure<KvCompressChatOptions>(o => o.CacheBytes = 8 << 20);
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.NotEmpty((await provider.GetRequiredService<IChatClient>().GetResponseAsync("Hello")).Text);
        Assert.StartsWith("TorchSharp, libtorch 2.", provider.GetRequiredService<IChatClient>().GetService<Models.LoadedModel>()!.Transformer.Backend.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_is_named()
    {
        var o = new KvCompressChatOptions();
        o.BackendFactory = threads => TorchBackend.Create(new TorchBackendOptions { Device = TorchDevice.Cpu, Threads = threads });
        using (Kernels.IComputeBackend backend = o.BackendFactory(1))
            Assert.IsType<TorchBackend>(backend);
        o.BackendFactory = _ => TorchBackend.Create(new TorchBackendOptions { Device = TorchDevice.Cuda, DeviceIndex = 0 });
        if (TorchCudaBackend.IsAvailable(0, out _))
            o.BackendFactory(1).Dispose();
        else
            Assert.Throws<Kernels.Cuda.CudaUnavailableException>(() => o.BackendFactory(1));
    }

    [Fact]
    public void Every_sample_of_the_readme_stands_here()
    {
        IReadOnlyList<string> samples = ReadmeCode.Samples("runtime/KvChat.Runtime.TorchSharp/README.md");
        Assert.Equal(2, samples.Count);
        string here = ReadmeCode.Of("tests/KvChat.Runtime.TorchSharp.Tests/ReadmeSamples.cs");
        foreach (string line in samples.SelectMany(static s => s.Split('\n')))
            Assert.Contains(line.Trim(), here, StringComparison.Ordinal);
    }
}
