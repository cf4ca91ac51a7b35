using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Tests.Client;

[Collection(EmbeddedClientTests.Name)]
public sealed class DirectContractTests(EmbeddedClient embedded) : ChatClientContract
{
    protected override IChatClient Client => embedded.Client;
}

/// <summary>The same behind middleware, which must see nothing else.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class WrappedContractTests(EmbeddedClient embedded) : ChatClientContract
{
    protected override IChatClient Client { get; } = new Middleware(embedded.Client);

    private sealed class Middleware(IChatClient inner) : DelegatingChatClient(inner);
}

public sealed class InjectedContractTests : ChatClientContract, IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddKvCompressChatClient(o => o.CacheBytes = 32 << 20).BuildServiceProvider();

    protected override IChatClient Client => _services.GetRequiredService<IChatClient>();

    public void Dispose() => _services.Dispose();
}
