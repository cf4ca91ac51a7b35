using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Services;

namespace KvChat.SemanticKernel.Tests;

public sealed class RegistrationTests
{
    [Fact]
    public async Task Without_a_host_the_first_request_loads_the_model_for_both_service_types()
    {
        Kernel kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.CacheBytes = 16 << 20).Build();
        using var services = kernel.Services as IDisposable;
        var client = kernel.GetRequiredService<KvCompressChatClient>();
        var chat = kernel.GetRequiredService<IChatClient>();
        Assert.Same(client, chat.GetService(typeof(KvCompressChatClient)));
        Assert.Null(client.GetService(typeof(InferenceEngine)));
        Assert.NotEmpty((await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync("Hello")).Content!);
        object? engine = client.GetService(typeof(InferenceEngine));
        Assert.NotNull(engine);
        Assert.NotEmpty((await chat.GetResponseAsync("Hello")).Text);
        Assert.Same(engine, client.GetService(typeof(InferenceEngine)));
    }

    [Fact]
    public void Both_service_types_tell_the_model_id()
    {
        Kernel kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.ModelId = "ledger").Build();
        Assert.Equal("ledger", kernel.GetRequiredService<IChatCompletionService>().GetModelId());
        Assert.Equal("ledger", kernel.GetRequiredService<IChatClient>().GetModelId());
    }

    [Fact]
    public void Service_ids_are_keys_of_clients_with_options_of_their_own()
    {
        Kernel kernel = Kernel.CreateBuilder()
            .AddKvCompressChatClient(o => o.ModelId = "first", "a")
            .AddKvCompressChatClient(o => o.ModelId = "second", "b")
            .AddKvCompressChatClient(o => o.ModelId = "plain")
            .Build();
        Assert.Equal("first", kernel.GetRequiredService<IChatClient>("a").GetModelId());
        Assert.Equal("second", kernel.GetRequiredService<IChatCompletionService>("b").GetModelId());
        Assert.Equal("plain", kernel.Services.GetRequiredService<IChatClient>().GetModelId());
        Assert.Equal(3, kernel.GetAllServices<IChatClient>().Count());
        Assert.Equal(3, kernel.GetAllServices<IChatCompletionService>().Count());
    }

    [Fact]
    public void A_second_registration_adds_settings_to_the_same_client()
    {
        foreach (string? id in (string?[])[null, "a"])
        {
            Kernel kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.ModelId = "first", id).AddKvCompressChatClient(o => o.ModelId += " and second", id).Build();
            Assert.Equal("first and second", Assert.Single(kernel.GetAllServices<IChatClient>()).GetModelId());
            Assert.Single(kernel.GetAllServices<IChatCompletionService>());
        }
    }

    [Fact]
    public void A_client_that_was_registered_before_gets_function_invocation_and_no_twin()
    {
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.Services.AddKvCompressChatClient(o => o.ModelId = "first");
        Kernel kernel = builder.AddKvCompressChatClient().Build();
        IChatClient client = Assert.Single(kernel.GetAllServices<IChatClient>());
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
        Assert.Equal("first", client.GetModelId());
    }

    [Fact]
    public void A_section_of_the_configuration_sets_the_options()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("KvChat:ModelId", (string?)"configured")]).Build();
        Kernel kernel = Kernel.CreateBuilder().AddKvCompressChatClient(configuration.GetSection("KvChat"), "c").AddKvCompressChatClient(configuration.GetSection("KvChat")).Build();
        Assert.Equal("configured", kernel.GetRequiredService<IChatClient>("c").GetModelId());
        Assert.Equal("configured", kernel.Services.GetRequiredService<IChatClient>().GetModelId());
    }

    [Fact]
    public async Task A_host_loads_the_model_of_a_kernel_while_it_starts()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddKvCompressKernelChatClient(o => o.CacheBytes = 16 << 20, "ledger");
        builder.Services.AddKernel();
        using IHost host = builder.Build();
        await host.StartAsync();
        Kernel kernel = host.Services.GetRequiredService<Kernel>();
        Assert.NotNull(kernel.GetRequiredService<IChatClient>("ledger").GetService(typeof(InferenceEngine)));
        await host.StopAsync();
    }

    [Fact]
    public void An_empty_service_id_and_null_are_refused()
    {
        IKernelBuilder builder = Kernel.CreateBuilder();
        Assert.Contains("service id is empty", Assert.Throws<ArgumentException>(() => builder.AddKvCompressChatClient(serviceId: "")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => ((IKernelBuilder)null!).AddKvCompressChatClient());
        Assert.Throws<ArgumentNullException>(() => builder.AddKvCompressChatClient((IConfiguration)null!));
        Assert.DoesNotContain(builder.Services, s => s.ServiceType == typeof(IChatClient));
    }
}
