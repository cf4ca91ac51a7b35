using KvChat.Runtime.Scheduling;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KvChat.Tests.DependencyInjection;

public sealed class ServiceCollectionTests
{
    [Fact]
    public async Task Without_a_host_the_first_request_loads_the_model()
    {
        await using ServiceProvider services = new ServiceCollection().AddKvCompressChatClient(o => o.CacheBytes = 16 << 20).BuildServiceProvider();
        var client = services.GetRequiredService<KvCompressChatClient>();
        Assert.Same(client, services.GetRequiredService<IChatClient>());
        Assert.Null(client.GetService(typeof(InferenceEngine)));
        Assert.NotEmpty((await client.GetResponseAsync(EmbeddedClient.Ask(3))).Text);
        Assert.NotNull(client.GetService(typeof(InferenceEngine)));
    }

    [Fact]
    public async Task A_host_loads_the_model_while_it_starts_and_tells_the_log()
    {
        var log = new ListLogger();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<ILoggerProvider>(log);
        builder.Services.AddLogging();
        builder.Services.AddKvCompressChatClient(o => o.CacheBytes = 16 << 20);
        using IHost host = builder.Build();
        await host.StartAsync();
        Assert.NotNull(host.Services.GetRequiredService<IChatClient>().GetService(typeof(InferenceEngine)));
        await host.StopAsync();
        Assert.Contains(log.Lines, l => l.StartsWith("Loaded model KvChat Tiny", StringComparison.Ordinal));
        Assert.Contains("Loading model embedded: 100 %.", log.Lines);
    }

    [Fact]
    public async Task A_host_does_not_start_on_wrong_options()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddKvCompressChatClient(o => o.PageTokens = 17);
        using IHost host = builder.Build();
        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        Assert.Contains("PageTokens is 17; it must be 16 or 32", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keyed_clients_have_options_of_their_own()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddKeyedKvCompressChatClient("small", o => o.ModelId = "first")
            .AddKeyedKvCompressChatClient(2, o => o.ModelId = "second")
            .AddKeyedKvCompressChatClient("2", o => o.ModelId = "third")
            .AddKvCompressChatClient(o => o.ModelId = "unkeyed")
            .BuildServiceProvider();
        Assert.Equal("first", Id(services.GetRequiredKeyedService<IChatClient>("small")));
        Assert.Equal("second", Id(services.GetRequiredKeyedService<IChatClient>(2)));
        Assert.Equal("third", Id(services.GetRequiredKeyedService<IChatClient>("2")));
        Assert.Equal("unkeyed", Id(services.GetRequiredService<IChatClient>()));
        Assert.Same(services.GetRequiredKeyedService<KvCompressChatClient>("small"), services.GetRequiredKeyedService<IChatClient>("small"));
        Assert.Equal(4, services.GetServices<IHostedService>().Count());
    }

    [Fact]
    public void A_section_of_the_configuration_sets_the_options()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(
            [KeyValuePair.Create("KvChat:ModelId", (string?)"configured"), KeyValuePair.Create("Other:ModelId", (string?)"other")]).Build();
        using ServiceProvider services = new ServiceCollection()
            .AddKvCompressChatClient(configuration.GetSection("KvChat"))
            .AddKeyedKvCompressChatClient("other", configuration.GetSection("Other"))
            .BuildServiceProvider();
        Assert.Equal("configured", Id(services.GetRequiredService<IChatClient>()));
        Assert.Equal("other", Id(services.GetRequiredKeyedService<IChatClient>("other")));
    }

    [Fact]
    public void A_second_registration_adds_settings_to_the_same_client()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddKvCompressChatClient(o => o.ModelId = "first")
            .AddKvCompressChatClient(o => o.ModelId += " and second")
            .BuildServiceProvider();
        Assert.Equal("first and second", Id(services.GetRequiredService<IChatClient>()));
        Assert.Single(services.GetServices<IChatClient>());
        Assert.Single(services.GetServices<IHostedService>());
    }

    [Fact]
    public void A_wrapper_registered_later_is_what_is_resolved()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddKvCompressChatClient()
            .AddSingleton<IChatClient>(p => new Wrapper(p.GetRequiredService<KvCompressChatClient>()))
            .BuildServiceProvider();
        IChatClient client = services.GetRequiredService<IChatClient>();
        Assert.IsType<Wrapper>(client);
        Assert.Same(services.GetRequiredService<KvCompressChatClient>(), client.GetService(typeof(KvCompressChatClient)));
    }

    private static string? Id(IChatClient client) => ((ChatClientMetadata)client.GetService(typeof(ChatClientMetadata))!).DefaultModelId;

    private sealed class Wrapper(IChatClient inner) : DelegatingChatClient(inner);

    private sealed class ListLogger : ILoggerProvider, ILogger
    {
        private readonly Lock _gate = new();
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines
        {
            get
            {
                lock (_gate)
                    return [.. _lines];
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_gate)
                _lines.Add(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
