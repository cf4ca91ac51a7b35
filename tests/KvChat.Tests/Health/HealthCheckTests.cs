using System.Reflection;
using KvChat.Health;
using KvChat.Loading;
using KvChat.Runtime.Scheduling;
using KvChat.Tests.Client;
using KvChat.Tests.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace KvChat.Tests.Health;

public sealed class HealthCheckTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_client_is_healthy_before_its_first_request_and_after_it()
    {
        await using ServiceProvider services = Services();
        Assert.Equal(HealthStatus.Healthy, (await Check(services)).Status);
        await services.GetRequiredService<IChatClient>().GetResponseAsync(EmbeddedClient.Ask(3));
        HealthReportEntry entry = await Check(services);
        Assert.Equal(HealthStatus.Healthy, entry.Status);
        Assert.True((int)entry.Data["pages"] > 0);
    }

    [Fact]
    public async Task A_dead_engine_is_unhealthy()
    {
        await using ServiceProvider services = Services();
        var client = services.GetRequiredService<KvCompressChatClient>();
        await client.EnsureLoadedAsync();
        Break((InferenceEngine)client.GetService(typeof(InferenceEngine))!);
        await Assert.ThrowsAsync<GenerationFailedException>(() => client.GetResponseAsync(EmbeddedClient.Ask(3)));
        HealthReportEntry entry = await Check(services);
        Assert.Equal(HealthStatus.Unhealthy, entry.Status);
        Assert.Contains("engine", entry.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_could_not_be_loaded_is_unhealthy_with_its_error()
    {
        string path = Path.GetTempFileName();
        try
        {
            await using ServiceProvider services = Services(o => o.Model = path);
            await Assert.ThrowsAnyAsync<Exception>(() => services.GetRequiredService<KvCompressChatClient>().EnsureLoadedAsync());
            HealthReportEntry entry = await Check(services);
            Assert.Equal(HealthStatus.Unhealthy, entry.Status);
            Assert.NotNull(entry.Exception);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_model_on_its_way_is_not_ready()
    {
        HealthCheckResult result = KvChatHealthCheck.Judge(
            new ModelLoadingProgress { Model = "m", Stage = ModelLoadingStage.Reading, Fraction = 0.4 }, null, new PoolWatch(new ManualClock()), Limit, HealthStatus.Unhealthy);
        Assert.Equal(HealthStatus.Unhealthy, result.Status);
        Assert.Contains("Reading, 40", result.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_a_pool_that_stays_full_is_degraded()
    {
        var clock = new ManualClock();
        var watch = new PoolWatch(clock);
        Assert.Equal(HealthStatus.Healthy, Judge(full: true, period: 1));
        clock.Advance(Limit - TimeSpan.FromSeconds(5));
        Assert.Equal(HealthStatus.Healthy, Judge(full: true, period: 1));
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(HealthStatus.Degraded, Judge(full: true, period: 1));
        Assert.Equal(HealthStatus.Healthy, Judge(full: true, period: 2)); // it had room in between, unseen
        clock.Advance(Limit);
        Assert.Equal(HealthStatus.Degraded, Judge(full: true, period: 2));
        Assert.Equal(HealthStatus.Healthy, Judge(full: false, period: 2));
        Assert.Equal(HealthStatus.Healthy, Judge(full: true, period: 3));

        HealthStatus Judge(bool full, long period) => KvChatHealthCheck.Judge(
            new ModelLoadingProgress { Model = "m", Stage = ModelLoadingStage.Ready }, Statistics(full, period), watch, Limit, HealthStatus.Unhealthy).Status;
    }

    [Fact]
    public async Task Requests_that_wait_for_pages_fill_the_pool()
    {
        var clock = new ManualClock();
        await using ServiceProvider services = Services(
            o => (o.CacheBytes, o.HoldFinishedSequences) = (4 << 20, false), clock, limit: TimeSpan.FromMinutes(1));
        var client = services.GetRequiredService<KvCompressChatClient>();
        await client.EnsureLoadedAsync();
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        using var stop = new CancellationTokenSource();
        ChatOptions endless = new() { Temperature = 100 };
        Task[] many = [.. Enumerable.Range(0, 6).Select(i => client.GetResponseAsync(EmbeddedClient.Ask(16 + i), endless, stop.Token))];
        while (!engine.GetStatistics().IsPoolFull) // a busy engine says how it stands after every step
            await Task.Yield();
        Assert.Equal(HealthStatus.Healthy, (await Check(services)).Status);
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(HealthStatus.Degraded, (await Check(services)).Status);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(many));
        await client.GetResponseAsync(EmbeddedClient.Ask(3)); // the queue has been empty before it
        Assert.Equal(HealthStatus.Healthy, (await Check(services)).Status);
    }

    [Fact]
    public async Task Keyed_clients_have_checks_of_their_own_and_the_status_can_be_chosen()
    {
        IServiceCollection services = new ServiceCollection().AddLogging().AddKeyedKvCompressChatClient("a").AddKeyedKvCompressChatClient("b");
        services.AddHealthChecks().AddKvChat("a", failureStatus: HealthStatus.Degraded, tags: ["ready"]).AddKvChat("b", name: "second");
        await using ServiceProvider provider = services.BuildServiceProvider();
        await provider.GetRequiredKeyedService<KvCompressChatClient>("a").DisposeAsync();
        HealthReport report = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(["kvchat:a", "second"], report.Entries.Keys.Order());
        Assert.Equal(["ready"], report.Entries["kvchat:a"].Tags);
        Assert.Throws<ArgumentOutOfRangeException>(() => services.AddHealthChecks().AddKvChat("a", configure: o => o.FullPoolLimit = TimeSpan.FromSeconds(-1)));
    }

    private static ServiceProvider Services(Action<KvCompressChatOptions>? configure = null, TimeProvider? clock = null, TimeSpan? limit = null)
    {
        IServiceCollection services = new ServiceCollection().AddLogging().AddSingleton(clock ?? TimeProvider.System);
        services.AddKvCompressChatClient(o => o.CacheBytes = 16 << 20).AddKvCompressChatClient(configure);
        services.AddHealthChecks().AddKvChat(configure: o => o.FullPoolLimit = limit ?? Limit);
        return services.BuildServiceProvider();
    }

    private static async Task<HealthReportEntry> Check(ServiceProvider services) =>
        (await services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["kvchat"];

    /// <summary>Takes an array from the scheduler that its next step wants: no input is known that ends the loop, so the test has to break it.</summary>
    private static void Break(InferenceEngine engine)
    {
        object scheduler = Field(engine, "_scheduler").GetValue(engine)!;
        FieldInfo caches = Field(scheduler, "_caches");
        caches.SetValue(scheduler, Array.CreateInstance(caches.FieldType.GetElementType()!, 0));
    }

    private static FieldInfo Field(object of, string name) => of.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)!;

    private static EngineStatistics Statistics(bool full, long period) => new()
    {
        TotalPages = 10, FreePages = 0, BytesPerPage = 1, Running = 1, Reading = 0, Preempted = 0, Waiting = full ? 1 : 0, Held = 0, PeakRunning = 1, Steps = 1, PromptTokens = 1,
        CachedPromptTokens = 0, GeneratedTokens = 1, KvsEvicted = 0, Preemptions = 0, PressureCompressions = 0, IsFaulted = false, IsPoolFull = full, PoolFullPeriods = period,
    };
}
