using System.Globalization;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

/// <summary>One client over the embedded model for all tests that do not need one of their own.</summary>
public sealed class EmbeddedClient : IDisposable
{
    public const string System = "Answer from the document only.";

    public const string Question = "What is the gate code of the Dushus mill?";

    public const string Answer = "The gate code of the Dushus mill is 1202-1238.";

    public KvCompressChatClient Client { get; } = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 64 << 20 });

    /// <summary>A document in the language of the model, with the fact of <see cref="Question"/> among others.</summary>
    public static string Document(int facts)
    {
        IEnumerable<string> around = Enumerable.Range(1, facts).Select(i => string.Create(
            CultureInfo.InvariantCulture, $"{(i % 6 == 0 ? "\n\n" : "")}The serial number of the Quabran{Names[i % Names.Length]} pump is {100 + (i * 37)}-QR."));
        List<string> sentences = [.. around];
        sentences.Insert(facts / 2, "The gate code of the Dushus mill is 1202-1238.");
        return string.Join(' ', sentences).Replace("\n\n ", "\n\n", StringComparison.Ordinal).Replace(" \n\n", "\n\n", StringComparison.Ordinal);
    }

    public static List<ChatMessage> Ask(int facts = 12, string question = Question) =>
        [new(ChatRole.System, System), new(ChatRole.User, $"{Document(facts)}\n\n{question}")];

    public void Dispose() => Client.Dispose();

    private static readonly string[] Names = ["", "ia", "ou", "eep", "ack", "ord", "iv"];
}

[CollectionDefinition(Name)]
public sealed class EmbeddedClientTests : ICollectionFixture<EmbeddedClient>
{
    public const string Name = "embedded client";
}
