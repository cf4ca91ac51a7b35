using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

/// <summary>More requests than may wait.</summary>
public sealed class QueueTests
{
    [Fact]
    public async Task A_full_queue_says_when_to_come_again_and_the_others_are_served()
    {
        const int waiting = 2, sent = 24;
        using KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 4 << 20, MaxQueuedRequests = waiting, Threads = 1 });
        ChatOptions options = new() { Temperature = 0, MaxOutputTokens = 60 };
        Task<ChatResponse>[] all = [.. Enumerable.Range(0, sent).Select(i => client.GetResponseAsync(EmbeddedClient.Ask(16 + (i % 6)), options))];
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);
        KvQueueFullException[] refused = [.. all.Where(t => t.IsFaulted).Select(t => Assert.IsType<KvQueueFullException>(t.Exception!.InnerException))];
        Assert.NotEmpty(refused);
        Assert.All(refused, e =>
        {
            Assert.Equal(waiting, e.Queued);
            Assert.True(e.RetryAfter > TimeSpan.Zero);
        });
        Assert.Contains(all, t => t.IsCompletedSuccessfully);
        Assert.NotEqual(ChatFinishReason.ToolCalls, (await client.GetResponseAsync(EmbeddedClient.Ask(), options)).FinishReason); // and goes on
    }
}
