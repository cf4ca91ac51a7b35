using System.Runtime.CompilerServices;
using KvChat.Loading;
using KvChat.Prompts;
using KvChat.Requests;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Text;
using Microsoft.Extensions.AI;

namespace KvChat.Answers;

/// <summary>One answer: submits the request and gives the updates as its tokens come. The last update carries finish reason and usage.</summary>
internal sealed class AnswerStream
{
    private readonly ServedModel _served;
    private readonly BuiltPrompt _prompt;
    private readonly GenerationRequest _request;
    private readonly AnswerText _text;
    private readonly string _modelId;
    private readonly string _messageId = $"msg_{Guid.NewGuid():N}";
    private readonly DateTimeOffset _createdAt;

    public AnswerStream(ServedModel served, BuiltPrompt prompt, RequestSettings settings, string modelId, DateTimeOffset createdAt)
    {
        _served = served;
        _prompt = prompt;
        _modelId = modelId;
        _createdAt = createdAt;
        Tokenizer tokenizer = served.Model.Tokenizer;
        List<int> stopTokens = [.. tokenizer.EndOfGenerationIds];
        foreach (string stop in settings.StopSequences)
        {
            // A control token never shows in the text, so a stop sequence that is one is matched as the token.
            if (tokenizer.Find(stop) is { } id && tokenizer.KindOf(id) == TokenKind.Control && !stopTokens.Contains(id))
                stopTokens.Add(id);
        }

        _text = new AnswerText(tokenizer, settings.StopSequences);
        _request = new GenerationRequest
        {
            Prompt = prompt.Tokens,
            Spans = prompt.Spans,
            MaxOutputTokens = settings.MaxOutputTokens,
            StopTokens = stopTokens,
            Sampling = settings.Sampling,
            Compression = settings.Compression,
        };
    }

    public string ResponseId { get; } = $"kvchat_{Guid.NewGuid():N}";

    /// <summary>What the engine said about the answer; null before its end.</summary>
    public GenerationResult? Result { get; private set; }

    public async IAsyncEnumerable<ChatResponseUpdate> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Generation generation = _served.Engine.Submit(_request, cancellationToken);
        await foreach (int token in generation.ReadTokensAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_text.IsStopped)
                continue; // drawn before the engine heard of it
            string text = _text.Append(token);
            if (_text.IsStopped)
                generation.Stop();
            if (text.Length > 0)
                yield return Update([new TextContent(text)]);
        }

        if (_text.Flush() is { Length: > 0 } rest)
            yield return Update([new TextContent(rest)]);
        Result = await generation.Completion.ConfigureAwait(false);
        if (!_text.IsStopped)
            _served.Prompts.Answers.Add(AnswerMemory.Hash(_prompt.Tokens), _text.All, _text.Tokens);
        ChatResponseUpdate last = Update([new UsageContent(KvUsage.ToDetails(Result, _text.TokenCount)) { RawRepresentation = Result }]);
        last.FinishReason = _text.IsStopped || Result.End == GenerationEnd.Stop ? ChatFinishReason.Stop : ChatFinishReason.Length;
        last.RawRepresentation = Result;
        yield return last;
    }

    private ChatResponseUpdate Update(IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = ResponseId,
        MessageId = _messageId,
        CreatedAt = _createdAt,
        ModelId = _modelId,
    };
}
