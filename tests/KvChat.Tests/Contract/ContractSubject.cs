using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>A client under the contract, and what it can be asked. The model must be deterministic at temperature 0.</summary>
public sealed class ContractSubject
{
    public required IChatClient Client { get; init; }

    /// <summary>A conversation, made anew at each call, whose greedy answer has a dozen characters or more and ends by itself.</summary>
    public required Func<List<ChatMessage>> Ask { get; init; }

    /// <summary>Other conversations with answers of their own.</summary>
    public required IReadOnlyList<List<ChatMessage>> Others { get; init; }

    /// <summary>A conversation that cannot be served, however long one waits.</summary>
    public required Func<List<ChatMessage>> TooLong { get; init; }

    /// <summary>Whether tools and structured output must work; otherwise they may be refused by name.</summary>
    public bool MustSupportTools { get; init; }

    public bool MustSupportJson { get; init; }

    /// <summary>Tokens that a call of a small tool, or a small document, may take.</summary>
    public int RoomForTools { get; init; } = 200;

    public ChatOptions Greedy(int? tokens = 8) => new() { Temperature = 0, MaxOutputTokens = tokens };

    public Task<ChatResponse> Answer(ChatOptions? options, List<ChatMessage>? messages = null) => Client.GetResponseAsync(messages ?? Ask(), options);

    public async Task<List<ChatResponseUpdate>> Updates(ChatOptions? options, List<ChatMessage>? messages = null)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in Client.GetStreamingResponseAsync(messages ?? Ask(), options))
            updates.Add(update);
        return updates;
    }
}
