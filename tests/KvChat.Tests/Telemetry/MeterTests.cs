using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Telemetry;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Tests.Telemetry;

public sealed partial class MeterTests
{
    [Fact]
    public async Task What_the_meter_says_is_what_the_response_and_the_engine_say()
    {
        using var meters = new MeterReader();
        await using KvCompressChatClient client = Client(meters);
        Assert.Empty(meters.Collect()); // nothing is known before the model is there
        ChatOptions options = new ChatOptions().WithKvCompression(new KvCompression { RetainedRatio = 0.25 });
        ChatResponse response = await client.GetResponseAsync(EmbeddedClient.Ask(60), options);
        KvUsage usage = response.GetKvUsage()!;
        IReadOnlyList<Measured> measured = meters.Collect();
        Assert.Equal(usage.Kept, One(measured, KvChatTelemetry.RequestKvs, KvChatTelemetry.KvState, "kept").Value);
        Assert.Equal(usage.Evicted, One(measured, KvChatTelemetry.RequestKvs, KvChatTelemetry.KvState, "evicted").Value);
        var result = (GenerationResult)response.RawRepresentation!;
        Assert.Equal(result.TimeToFirstToken.TotalSeconds, One(measured, KvChatTelemetry.TimeToFirstToken).Value);
        Assert.True(result.Kvs.CompressionTime > TimeSpan.Zero);
        Assert.Equal(result.Kvs.CompressionTime.TotalSeconds, One(measured, KvChatTelemetry.CompressionDuration).Value);
        Assert.True(One(measured, KvChatTelemetry.RequestDuration).Value >= result.TimeToFirstToken.TotalSeconds);
        Assert.Equal((double)response.Usage!.InputTokenCount!, One(measured, KvChatTelemetry.Tokens, KvChatTelemetry.TokenPhase, "prefill").Value);
        Assert.Equal(result.OutputTokens, One(measured, KvChatTelemetry.Tokens, KvChatTelemetry.TokenPhase, "decode").Value);
        Assert.Equal(0, One(measured, KvChatTelemetry.Preemptions).Value);
    }

    [Fact]
    public async Task Pages_queue_and_sequences_are_read_from_the_engine()
    {
        using var meters = new MeterReader();
        await using KvCompressChatClient client = Client(meters, o => o.MaxSequences = 1);
        await client.EnsureLoadedAsync();
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        int pages = engine.GetStatistics().TotalPages;
        IReadOnlyList<Measured> idle = meters.Collect();
        Assert.Equal((0, pages), (Pages(idle, "used"), Pages(idle, "free")));
        ChatOptions endless = new() { Temperature = 100, Seed = 3 };
        await using IAsyncEnumerator<ChatResponseUpdate> stream = client.GetStreamingResponseAsync(EmbeddedClient.Ask(4), endless).GetAsyncEnumerator();
        for (int i = 0; i < 4; i++)
            Assert.True(await stream.MoveNextAsync()); // a token comes before its step is counted: with later ones, an earlier step surely is
        IReadOnlyList<Measured> busy = meters.Collect();
        Assert.Equal(1, One(busy, KvChatTelemetry.Sequences, KvChatTelemetry.SequenceState, "running").Value);
        Assert.Equal(0, One(busy, KvChatTelemetry.Sequences, KvChatTelemetry.SequenceState, "preempted").Value);
        Assert.Equal(0, One(busy, KvChatTelemetry.QueueLength).Value);
        Assert.True(Pages(busy, "used") > 0);
        Assert.Equal(pages, Pages(busy, "used") + Pages(busy, "free"));
    }

    [Fact]
    public async Task A_request_that_fails_counts_with_the_type_of_its_error()
    {
        using var meters = new MeterReader();
        await using KvCompressChatClient client = Client(meters, o => o.ContextTokens = 64);
        await Assert.ThrowsAsync<KvCapacityException>(() => client.GetResponseAsync(EmbeddedClient.Ask(60)));
        IReadOnlyList<Measured> measured = meters.Collect();
        Assert.Equal(typeof(KvCapacityException).FullName, One(measured, KvChatTelemetry.RequestDuration).Tags["error.type"]);
        Assert.DoesNotContain(measured, m => m.Is(KvChatTelemetry.TimeToFirstToken) || m.Is(KvChatTelemetry.RequestKvs));
    }

    [Fact]
    public async Task A_stream_that_is_broken_off_counts_as_abandoned()
    {
        using var meters = new MeterReader();
        await using KvCompressChatClient client = Client(meters);
        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(EmbeddedClient.Ask(4), new ChatOptions { Temperature = 100, Seed = 3 }))
            break;
        Assert.Equal("abandoned", One(meters.Collect(), KvChatTelemetry.RequestDuration).Tags["error.type"]);
    }

    [Fact]
    public async Task Names_units_and_attributes_follow_the_conventions()
    {
        using var meters = new MeterReader();
        await using KvCompressChatClient client = Client(meters);
        await client.GetResponseAsync(EmbeddedClient.Ask(60), new ChatOptions().WithKvCompression(new KvCompression { RetainedRatio = 0.25 }));
        IReadOnlyList<Measured> measured = meters.Collect();
        string[] all =
        [
            KvChatTelemetry.Pages, KvChatTelemetry.RequestKvs, KvChatTelemetry.CompressionDuration, KvChatTelemetry.QueueLength, KvChatTelemetry.Sequences,
            KvChatTelemetry.Preemptions, KvChatTelemetry.Tokens, KvChatTelemetry.TimeToFirstToken, KvChatTelemetry.RequestDuration,
        ];
        Assert.Equal(all.Order(), measured.Select(m => m.Name).Distinct().Order());
        Assert.All(measured, m =>
        {
            Assert.Matches(DottedName(), m.Name);
            Assert.Matches(Unit(), m.Unit!);
            Assert.All(m.Tags.Keys, k => Assert.Matches(DottedName(), k));
            Assert.Equal(("chat", "kvchat", "kvchat-tiny-q8_0"), (m.Tags["gen_ai.operation.name"], m.Tags["gen_ai.provider.name"], m.Tags["gen_ai.request.model"]));
        });
    }

    [Fact]
    public async Task A_containers_meter_factory_is_used_and_outlives_the_client_in_silence()
    {
        using var meters = new MeterReader();
        ServiceProvider services = new ServiceCollection()
            .AddSingleton<IMeterFactory>(_ => meters)
            .AddKeyedKvCompressChatClient("one", o => o.CacheBytes = 16 << 20)
            .BuildServiceProvider();
        var client = services.GetRequiredKeyedService<KvCompressChatClient>("one");
        await client.EnsureLoadedAsync();
        Assert.All(meters.Collect(), m => Assert.Equal("one", m.Tags[KvChatTelemetry.ClientName]));
        await client.DisposeAsync();
        Assert.Empty(meters.Collect());
        await services.DisposeAsync();
    }

    private static KvCompressChatClient Client(MeterReader meters, Action<KvCompressChatOptions>? configure = null)
    {
        var options = new KvCompressChatOptions { CacheBytes = 16 << 20 };
        configure?.Invoke(options);
        return new KvCompressChatClient(options, null, TimeProvider.System, null, meters);
    }

    private static int Pages(IReadOnlyList<Measured> measured, string state) => (int)One(measured, KvChatTelemetry.Pages, KvChatTelemetry.PageState, state).Value;

    private static Measured One(IReadOnlyList<Measured> measured, string name, string? attribute = null, string? value = null) =>
        Assert.Single(measured, m => m.Is(name, attribute, value));

    [GeneratedRegex(@"^(kvchat|gen_ai|error)(\.[a-z_]+)+$")]
    private static partial Regex DottedName();

    [GeneratedRegex(@"^(s|\{[a-z]+\})$")]
    private static partial Regex Unit();
}
