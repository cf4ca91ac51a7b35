using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat.Middleware.Tests;

/// <summary>A client over the embedded model for all tests.</summary>
public sealed class SharedClient : IDisposable
{
    public const string Question = "What is the gate code of the Dushus mill?";

    public const string Answer = "The gate code of the Dushus mill is 1202-1238.";

    public KvCompressChatClient Client { get; } = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 64 << 20 });

    /// <summary>Tokens that the model has made so far: what a cache answers adds none.</summary>
    public long Generated => ((InferenceEngine)Client.GetService(typeof(InferenceEngine))!).GetStatistics().GeneratedTokens;

    public static string Document(int facts)
    {
        List<string> sentences = [.. Enumerable.Range(1, facts).Select(i => $"The serial number of the Quabran{(char)('a' + (i % 26))} pump is {100 + (i * 37)}-QR.")];
        sentences.Insert(facts / 2, Answer);
        return string.Join(' ', sentences);
    }

    public static List<ChatMessage> Ask(int facts = 12) => [new(ChatRole.User, $"{Document(facts)}\n\n{Question}")];

    public static AIFunction Tickets(List<string> asked) => AIFunctionFactory.Create(
        (string code) =>
        {
            asked.Add(code);
            return "4471";
        },
        "find_ticket",
        "Find the ticket of something.");

    public void Dispose() => Client.Dispose();
}

[CollectionDefinition(Name)]
public sealed class SharedClientTests : ICollectionFixture<SharedClient>
{
    public const string Name = "shared client";
}
