using KvChat;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;
using Rag.Search;

namespace Rag.Answers;

/// <summary>The common way: the best passages are put whole into the prompt, and read again for every question.</summary>
internal sealed class PassageAnswerer(IChatClient client, Library library, RagOptions options) : IAnswerer
{
    public string Name => "passages";

    public Task<Preparation> PrepareAsync(CancellationToken cancellationToken) => Task.FromResult(Preparation.None);

    public async Task<Answer> AskAsync(string question, CancellationToken cancellationToken)
    {
        IReadOnlyList<Passage> found = library.Find(question, options.Passages);
        string text = string.Join("\n\n", found.Select(p => p.Text));
        ChatOptions asked = new ChatOptions { Instructions = Asking.Instructions, Temperature = 0, MaxOutputTokens = options.MaxAnswerTokens }.WithKvCompression(KvCompression.Off);
        ChatMessage message = new(ChatRole.User, [new TextContent(text), new TextContent(question)]);
        Asked answer = await Asking.AskAsync(client, [message], asked, cancellationToken);
        return new Answer(answer.Text, library.Cite(question, answer.Text, found), answer.FirstToken, answer.TokensRead, answer.Kvs.BytesAtAnswer, answer.Elapsed);
    }
}
