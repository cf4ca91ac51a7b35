using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>A client that keeps the contract and shares no code with the product; with a flaw it breaks one rule, to prove that the contract notices.</summary>
internal sealed class FakeChatClient(Flaw flaw = Flaw.None) : IChatClient
{
    private const int Context = 4000;
    private string _shared = "";

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in Stream(messages, options, cancellationToken))
            updates.Add(update);
        if (flaw == Flaw.StreamDiffers)
            updates.RemoveAt(0);
        return updates.ToChatResponse();
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (flaw != Flaw.NullIsFoundLate)
            ArgumentNullException.ThrowIfNull(messages);
        return flaw == Flaw.EnumeratorTokenIsIgnored ? Deaf(Stream(messages, options, cancellationToken)) : Stream(messages, options, cancellationToken);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null && flaw != Flaw.KeyIsIgnored)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return flaw == Flaw.NoMetadata ? null : new ChatClientMetadata(flaw == Flaw.ProviderInUpperCase ? "Fake" : "fake", null, "parrot");
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    public void Dispose()
    {
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> Deaf(IAsyncEnumerable<ChatResponseUpdate> stream)
    {
        await foreach (ChatResponseUpdate update in stream)
            yield return update;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (flaw != Flaw.TokenIsIgnored)
            cancellationToken.ThrowIfCancellationRequested();
        ChatMessage[] all = flaw == Flaw.EnumeratesTwice && messages.Any() ? [.. messages] : [.. messages];
        if (flaw == Flaw.ChangesOptions && options is not null)
            options.MaxOutputTokens = 1;
        options ??= new ChatOptions();
        FakeChecks.Refuse(options, flaw, this);
        string prompt = FakeChecks.Prompt(all, options, flaw);
        int input = FakeModel.Count(prompt);
        if (input > Context && flaw != Flaw.CutsThePrompt)
            throw new InvalidOperationException($"The prompt has {input} tokens; the context holds {Context}.");
        int limit = flaw == Flaw.LimitIsIgnored ? Context : options.MaxOutputTokens ?? (flaw == Flaw.SmallDefaultLength ? 4 : Context);
        var answer = new FakeAnswer(flaw, input);
        if (FakeChecks.Call(options, flaw) is { } calls)
        {
            yield return answer.Last([.. calls], ChatFinishReason.ToolCalls);
            yield break;
        }

        string newest = all.LastOrDefault(m => m.Role == ChatRole.User && m.Text.Length > 0)?.Text ?? "";
        if (flaw == Flaw.SharedState)
        {
            _shared = newest;
            await Task.Delay(5, CancellationToken.None); // long enough for another call to write here
            newest = _shared;
        }

        var text = new StringBuilder();
        foreach (string piece in FakeChecks.Pieces(new FakeModel(prompt, newest, options, flaw), options, limit, flaw, answer))
        {
            await Task.Yield();
            if (flaw != Flaw.TokenIsIgnored)
                cancellationToken.ThrowIfCancellationRequested();
            text.Append(piece);
            if (flaw != Flaw.OnePiece)
                yield return answer.Update(new TextContent(piece));
        }

        if (flaw == Flaw.OnePiece)
            yield return answer.Update(new TextContent(text.ToString()));
        yield return answer.Last([], answer.WasCut && flaw != Flaw.AlwaysStop ? ChatFinishReason.Length : ChatFinishReason.Stop);
    }
}

/// <summary>The updates of one answer of the fake.</summary>
internal sealed class FakeAnswer(Flaw flaw, int inputTokens)
{
    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly DateTimeOffset _now = DateTimeOffset.UtcNow;
    private int _updates;

    public int OutputTokens { get; set; }

    public bool WasCut { get; set; }

    public ChatResponseUpdate Update(params AIContent[] contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = _id,
        MessageId = flaw switch
        {
            Flaw.NoMessageId => null,
            Flaw.TwoMessages => $"m{_updates++ / 2}{_id}",
            _ => $"m{_id}",
        },
        CreatedAt = _now,
        ModelId = "parrot",
        ConversationId = flaw == Flaw.ConversationIdWithoutHistory ? _id : null,
        FinishReason = flaw == Flaw.FinishReasonTwice ? ChatFinishReason.Stop : null,
    };

    public ChatResponseUpdate Last(AIContent[] contents, ChatFinishReason reason)
    {
        int output = Math.Max(OutputTokens, 1);
        var usage = new UsageDetails { InputTokenCount = inputTokens, OutputTokenCount = output, TotalTokenCount = inputTokens + output };
        ChatResponseUpdate last = Update([.. contents, new UsageContent(usage)]);
        if (flaw == Flaw.UsageTwice)
            last.Contents.Add(new UsageContent(usage));
        if (flaw == Flaw.ContentThatJsonDoesNotKnow)
            last.Contents.Add(new SecretContent());
        last.FinishReason = reason;
        return last;
    }

    private sealed class SecretContent : AIContent;
}

/// <summary>What the fake does with messages and options.</summary>
internal static class FakeChecks
{
    public static void Refuse(ChatOptions options, Flaw flaw, IChatClient client)
    {
        if (options.ConversationId is not null && flaw != Flaw.ConversationIdIsIgnored)
            throw Refusal("ConversationId");
        if (options.ModelId is { } model and not "parrot" && flaw != Flaw.ModelIdIsIgnored)
            throw Refusal($"ModelId {model}");
#pragma warning disable MEAI001 // experimental: they are refused
        if (options.AllowBackgroundResponses == true && flaw != Flaw.BackgroundIsIgnored)
            throw Refusal(flaw == Flaw.RefusesWithoutName ? "something" : "AllowBackgroundResponses");
        if (options.ContinuationToken is not null)
            throw Refusal("ContinuationToken");
#pragma warning restore MEAI001
        if (options.Tools?.FirstOrDefault(t => t is not AIFunctionDeclaration) is { } hosted && flaw != Flaw.HostedToolIsIgnored)
            throw Refusal($"Tools: {hosted.Name}");
        if (flaw != Flaw.FactoryIsIgnored)
            options.RawRepresentationFactory?.Invoke(client);

        static NotSupportedException Refusal(string what) => new($"{what} is not supported.");
    }

    public static string Prompt(ChatMessage[] messages, ChatOptions options, Flaw flaw)
    {
        if (flaw == Flaw.EmptyContentThrows && messages.Any(m => m.Contents.Count == 0))
            throw new ArgumentException("A message is empty.");
        if (flaw == Flaw.HistoryIsForgotten)
            messages = messages[^1..];
        var text = new StringBuilder();
        string? instructions = flaw == Flaw.InstructionsAreIgnored ? null : options.Instructions;
        if (instructions is not null && flaw != Flaw.InstructionsStandLast)
            text.Append($"system:{instructions}\n");
        foreach (ChatMessage message in messages)
        {
            text.Append($"{message.Role}:");
            foreach (AIContent content in message.Contents)
                text.Append(Text(content, flaw));
            text.Append('\n');
        }

        if (instructions is not null && flaw == Flaw.InstructionsStandLast)
            text.Append($"and do this: {instructions}\n");
        return text.ToString();
    }

    /// <summary>Calls that the mode demands, with arguments made after the schema.</summary>
    public static IEnumerable<FunctionCallContent>? Call(ChatOptions options, Flaw flaw)
    {
        AIFunctionDeclaration[] tools = [.. options.Tools?.OfType<AIFunctionDeclaration>() ?? []];
        if (tools.Length == 0 || (options.ToolMode is not RequiredChatToolMode && flaw != Flaw.CallsAgainstMode))
            return null;
        string? name = flaw == Flaw.CallsAnyTool ? null : (options.ToolMode as RequiredChatToolMode)?.RequiredFunctionName;
        AIFunctionDeclaration tool = tools.First(t => name is null || t.Name == name);
        var arguments = new Dictionary<string, object?>();
        foreach (JsonProperty property in tool.JsonSchema.GetProperty("properties").EnumerateObject())
            arguments[property.Name] = property.Value.GetProperty("type").GetString() == "integer" && flaw != Flaw.ArgumentsAreText ? 1 : "x";
        return Enumerable.Range(0, flaw == Flaw.CallsTwice ? 2 : 1).Select(i => new FunctionCallContent($"call{i}", tool.Name, arguments));
    }

    /// <summary>The answer's text, cut at a stop sequence or at its limit; what might begin a stop sequence is held back.</summary>
    public static IEnumerable<string> Pieces(FakeModel model, ChatOptions options, int limit, Flaw flaw, FakeAnswer answer)
    {
        string said = "";
        int given = 0;
        string? json = Json(options, flaw);
        for (; answer.OutputTokens < limit; answer.OutputTokens++)
        {
            string? token = json is null ? model.Next() : answer.OutputTokens == 0 ? json : null;
            if (token is null)
            {
                yield return said[given..];
                yield break;
            }

            said += token;
            string searched = flaw == Flaw.StopWithinATokenOnly ? token : said;
            int[] found = [.. (options.StopSequences ?? []).Where(s => searched.Contains(s, StringComparison.Ordinal)).Select(s => said.IndexOf(s, StringComparison.Ordinal))];
            int safe = found.Length > 0 ? found.Min() : Math.Max(given, said.Length - (options.StopSequences ?? []).Select(s => s.Length).Append(0).Max());
            if (safe > given)
                yield return said[given..safe];
            given = Math.Max(given, safe);
            if (found.Length == 0)
                continue;
            answer.OutputTokens++;
            yield break;
        }

        answer.WasCut = true;
        yield return said[given..];
    }

    private static string? Json(ChatOptions options, Flaw flaw) => options.ResponseFormat switch
    {
        ChatResponseFormatJson when flaw == Flaw.JsonIsProse => "Certainly! {}",
        ChatResponseFormatJson { Schema: not null } when flaw != Flaw.SchemaIsIgnored => """{"word":"yes","count":1}""",
        ChatResponseFormatJson => "{}",
        _ => null,
    };

    private static string Text(AIContent content, Flaw flaw) => content switch
    {
        TextContent text => text.Text,
        FunctionCallContent call => call.Name,
        FunctionResultContent result => flaw == Flaw.ResultIsIgnored ? "" : $"result {result.Result}",
        DataContent data when flaw != Flaw.ImageIsIgnored => throw new NotSupportedException($"This model reads text, not {data.MediaType}."),
        _ => flaw == Flaw.UnknownContentIsText ? content.ToString()! : "",
    };
}
