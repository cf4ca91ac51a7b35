using KvChat.Loading;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace KvChat.Tests.Loading;

public sealed class LoadingTests
{
    [Fact]
    public async Task Progress_rises_through_the_stages_and_ends_ready()
    {
        await using var client = new KvCompressChatClient(new KvCompressChatOptions { CacheBytes = 16 << 20 });
        Assert.Equal(ModelLoadingStage.NotStarted, client.Loading.Stage);
        var heard = new Listener();
        await client.EnsureLoadedAsync(heard);
        Assert.Equal(ModelLoadingStage.NotStarted, heard.All[0].Stage);
        Assert.Equal((ModelLoadingStage.Ready, 1.0), (heard.All[^1].Stage, heard.All[^1].Fraction));
        ModelLoadingProgress[] reading = [.. heard.All.Where(p => p.Stage == ModelLoadingStage.Reading)];
        Assert.True(reading.Length > 2);
        Assert.Equal(reading.Select(p => p.Fraction), reading.Select(p => p.Fraction).Order());
        Assert.Equal(heard.All.Select(p => p.Stage), heard.All.Select(p => p.Stage).Order());
        Assert.Equal(heard.All[^1], client.Loading);
    }

    [Fact]
    public async Task A_listener_that_throws_does_not_break_the_loading()
    {
        await using var client = new KvCompressChatClient(new KvCompressChatOptions { CacheBytes = 16 << 20 });
        var bad = new Listener { Fails = true };
        await client.EnsureLoadedAsync(bad);
        Assert.Equal(ModelLoadingStage.Ready, client.Loading.Stage);
        Assert.Equal(2, bad.All.Count); // once at the start, where nothing is loaded, and once in the loading
    }

    [Fact]
    public async Task A_host_tells_the_progress_that_is_registered()
    {
        var heard = new Listener();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<IProgress<ModelLoadingProgress>>(heard);
        builder.Services.AddKvCompressChatClient(o => o.CacheBytes = 16 << 20);
        using IHost host = builder.Build();
        await host.StartAsync();
        Assert.Equal(ModelLoadingStage.Ready, heard.All[^1].Stage);
        await host.StopAsync();
    }

    [Fact]
    public async Task In_the_background_the_host_starts_first_and_a_request_waits_for_the_model()
    {
        using var gate = new Gate();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<IProgress<ModelLoadingProgress>>(gate);
        builder.Services.AddKvCompressChatClient(o => (o.CacheBytes, o.LoadInBackground) = (16 << 20, true));
        builder.Services.AddHealthChecks().AddKvChat();
        using IHost host = builder.Build();
        await host.StartAsync(); // returns while the loading stands at the gate
        var health = host.Services.GetRequiredService<HealthCheckService>();
        await gate.Reached;
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync()).Status);
        Task<ChatResponse> answer = host.Services.GetRequiredService<IChatClient>().GetResponseAsync("x", new ChatOptions { MaxOutputTokens = 1 });
        Assert.False(answer.IsCompleted);
        gate.Open();
        await answer;
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);
        await host.StopAsync();
    }

    [Fact]
    public async Task In_the_background_a_broken_file_leaves_the_host_up_and_unhealthy()
    {
        string path = Path.GetTempFileName();
        var failed = new Listener();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<IProgress<ModelLoadingProgress>>(failed);
        builder.Services.AddKvCompressChatClient(o => (o.Model, o.LoadInBackground) = (path, true));
        builder.Services.AddHealthChecks().AddKvChat();
        using IHost host = builder.Build();
        await host.StartAsync();
        await failed.Until(ModelLoadingStage.Failed);
        Assert.Equal(HealthStatus.Unhealthy, (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Status);
        await host.StopAsync();
        File.Delete(path);
    }

    private class Listener : IProgress<ModelLoadingProgress>
    {
        private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _gate = new();
        private readonly List<ModelLoadingProgress> _all = [];

        public bool Fails { get; init; }

        public IReadOnlyList<ModelLoadingProgress> All
        {
            get
            {
                lock (_gate)
                    return [.. _all];
            }
        }

        public virtual void Report(ModelLoadingProgress value)
        {
            int count;
            lock (_gate)
            {
                _all.Add(value);
                count = _all.Count;
            }

            if (value.Stage == ModelLoadingStage.Failed)
                _failed.TrySetResult();
            if (Fails && count > 1)
                throw new InvalidOperationException("The progress bar is broken.");
        }

        public Task Until(ModelLoadingStage stage) => stage == ModelLoadingStage.Failed ? _failed.Task : throw new ArgumentOutOfRangeException(nameof(stage));
    }

    /// <summary>Holds the loading thread where it begins to read.</summary>
    private sealed class Gate : Listener, IDisposable
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public void Open() => _open.Set();

        public override void Report(ModelLoadingProgress value)
        {
            base.Report(value);
            if (value.Stage != ModelLoadingStage.Reading)
                return;
            _reached.TrySetResult();
            _open.Wait();
        }

        public void Dispose() => _open.Dispose();
    }
}
