using KvChat.Tests.Contract;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Tests.Client;

[Collection(EmbeddedClientTests.Name)]
public sealed class DirectContractTests(EmbeddedClient embedded) : ChatClientContract
{
    protected override ContractSubject Subject { get; } = Of(embedded.Client);

    /// <summary>The embedded model with its own questions.</summary>
    internal static ContractSubject Of(IChatClient client) => new()
    {
        Client = client,
        Ask = () => EmbeddedClient.Ask(6),
        Others =
        [
            EmbeddedClient.Ask(6), EmbeddedClient.Ask(6, "What is the serial number of the Quabran pump?"), EmbeddedClient.Ask(6, "Who is Noor?"), EmbeddedClient.Ask(6, "What is the colour?"),
        ],
        MustSupportTools = true,
        MustSupportJson = true,
        TooLong = () => [new ChatMessage(ChatRole.User, string.Join(' ', Enumerable.Range(0, 40_000)))],
    };
}

/// <summary>The same behind middleware, which must see nothing else.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class WrappedContractTests(EmbeddedClient embedded) : ChatClientContract
{
    protected override ContractSubject Subject { get; } = DirectContractTests.Of(new Middleware(embedded.Client));

    private sealed class Middleware(IChatClient inner) : DelegatingChatClient(inner);
}

/// <summary>The same from a container.</summary>
public sealed class InjectedContractTests(InjectedContractTests.Container container) : ChatClientContract, IClassFixture<InjectedContractTests.Container>
{
    protected override ContractSubject Subject { get; } = DirectContractTests.Of(container.Services.GetRequiredService<IChatClient>());

    public sealed class Container : IDisposable
    {
        public ServiceProvider Services { get; } = new ServiceCollection().AddKvCompressChatClient(o => o.CacheBytes = 32 << 20).BuildServiceProvider();

        public void Dispose() => Services.Dispose();
    }
}
