using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using KvChat.Documents;
using KvChat.Loading;
using KvChat.Prompts;
using KvChat.Requests;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Text;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Answers;

/// <summary>One answer: submits the request and gives the updates as its tokens come. The last update carries finish reason and usage.</summary>
internal sealed class AnswerStream
{
    private readonly ServedModel _served;
    private readonly BuiltPrompt _prompt;
    private readonly GenerationRequest _request;
    private readonly AnswerText _text;
    private readonly AnswerContents _contents;
    private readonly bool _isQualityUnmeasured;
    private readonly JsonArray _probabilities = [];
    private readonly string _modelId;
    private readonly string _messageId = $"msg_{Guid.NewGuid():N}";
    private readonly DateTimeOffset _createdAt;

    public AnswerStream(ServedModel served, BuiltPrompt prompt, RequestSettings settings, string modelId, DateTimeOffset createdAt)
    {
        _served = served;
        _prompt = prompt;
        _isQualityUnmeasured = settings.IsQualityUnmeasured;
        _modelId = modelId;
        _createdAt = createdAt;
        Tokenizer tokenizer = served.Model.Tokenizer;
        List<int> stopTokens = [.. tokenizer.EndOfGenerationIds];
        foreach (string stop in settings.StopSequences)
        {
            // A control token never shows in the text, so a stop sequence that is one is matched as the token.
            if (tokenizer.Find(stop) is { } id && tokenizer.KindOf(id) == TokenKind.Control)
                stopTokens.Add(id);
            else if (settings.Form is not null)
                throw UnsupportedOptions.Refusal(nameof(ChatOptions.StopSequences), $"\"{stop}\" could cut an answer that must have a form; leave out the one or the other");
        }

        ToolCallSyntax? syntax = settings.Tools is { Use: not ToolUse.Forbidden } ? served.Constraints.Syntax : null;
        bool thinks = served.Prompts.Traits.Thinks;
        var stops = new StopSequenceMatcher(settings.StopSequences);
        _contents = new AnswerContents(thinks ? new ReasoningReader(prompt.Thinks) : null, syntax is null ? null : new ToolCallReader(syntax, stops), stops, settings.ShowsReasoning);
        _text = new AnswerText(tokenizer, Marks(thinks, syntax));
        _request = new GenerationRequest
        {
            Prompt = prompt.Tokens,
            Spans = prompt.Spans,
            MaxOutputTokens = settings.MaxOutputTokens,
            StopTokens = [.. stopTokens.Distinct()],
            Sampling = settings.Sampling,
            Compression = settings.Compression,
            Start = DocumentStart.Of(prompt),
            Constraint = served.Constraints.For(settings, prompt.Thinks),
            TopLogProbabilities = settings.TopLogProbabilities,
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
            if (_contents.IsStopped)
                continue; // drawn before the engine heard of it
            List<AIContent> contents = _contents.Append(_text.Append(token));
            if (_contents.IsStopped)
                generation.Stop();
            if (_request.TopLogProbabilities is not null && generation.LogProbabilitiesOf(_text.TokenCount - 1) is { } probabilities)
                _probabilities.Add((JsonNode)LogProbabilityJson.Of(probabilities, _served.Model.Tokenizer));
            foreach (AIContent content in contents)
                yield return Update([content]);
        }

        foreach (AIContent content in _contents.Append(_text.Flush()).Concat(_contents.Flush()))
            yield return Update([content]);
        Result = await generation.Completion.ConfigureAwait(false);
        if (!_contents.IsStopped && _contents.IsPlain)
            _served.Prompts.Answers.Add(AnswerMemory.Hash(_prompt.Tokens), _text.All, _text.Tokens);
        ChatResponseUpdate last = Update([new UsageContent(KvUsage.ToDetails(Result, _text.TokenCount, _prompt.DocumentTokensRead, _isQualityUnmeasured)) { RawRepresentation = Result }]);
        last.FinishReason = _contents.HasCalls ? ChatFinishReason.ToolCalls : _contents.IsStopped || Result.End == GenerationEnd.Stop ? ChatFinishReason.Stop : ChatFinishReason.Length;
        if (_request.TopLogProbabilities is not null)
            (last.AdditionalProperties ??= [])[KvOptionNames.LogProbabilities] = _probabilities;
        last.RawRepresentation = Result;
        yield return last;
    }

    /// <summary>Control tokens that are read for what they mean rather than left out.</summary>
    private static List<string> Marks(bool thinks, ToolCallSyntax? syntax)
    {
        List<string> marks = thinks ? [ReasoningReader.Open, ReasoningReader.Close] : [];
        marks.AddRange(syntax?.Marks ?? []);
        return marks;
    }

    private ChatResponseUpdate Update(IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = ResponseId,
        MessageId = _messageId,
        CreatedAt = _createdAt,
        ModelId = _modelId,
    };
}
