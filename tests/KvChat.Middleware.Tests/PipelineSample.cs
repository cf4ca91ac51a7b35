using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Middleware.Tests;

public sealed class PipelineSample
{
    [Fact]
    public async Task A_pipeline_from_a_container()
    {
        ServiceCollection services = new();
        services.AddKvCompressChatClient(o => o.CacheBytes = 64L << 20);
        services.AddDistributedMemoryCache();
        services.AddLogging();
        services.AddChatClient(p => p.GetRequiredService<KvCompressChatClient>())
            .UseDistributedCache()
            .UseFunctionInvocation()
            .UseOpenTelemetry()
            .UseLogging();

        await using ServiceProvider provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<IChatClient>();
        List<string> asked = [];
        ChatResponse response = await client.GetResponseAsync("Find the ticket of C8-7040.", new ChatOptions { Tools = [SharedClient.Tickets(asked)] });
        Assert.Single(asked);
        Assert.Contains("4471", response.Text, StringComparison.Ordinal);
    }
}
