using System.Reflection;
using System.Text.Json;
using KvChat.Runtime.Sampling;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Requests;

/// <summary>
/// Each property of <see cref="ChatOptions"/>, and each of our own names but those of compression (which have tests of their own), changes the answer of the embedded model beside the same
/// options without it, or is refused by name, or both. One that is not listed here fails.
/// </summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class EveryOptionTests(EmbeddedClient shared)
{
    /// <summary>A seed or two may draw the same with and without; so many do not.</summary>
    private const int MostSeeds = 16;

    private static readonly AIFunction s_tool = AIFunctionFactory.Create((string code) => code, "find_ticket", "Find the ticket of something.");

    /// <summary>Whose calls are soon over, so that what follows them is drawn often.</summary>
    private static readonly AIFunctionDeclaration s_short = AIFunctionFactory.CreateDeclaration(
        "find_ticket", "Find the ticket of something.", JsonDocument.Parse("""{"type":"object","properties":{"code":{"enum":["A","B"]}},"required":["code"]}""").RootElement);

    private static readonly JsonElement s_schema = JsonDocument.Parse("""{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}""").RootElement;

    private static readonly Dictionary<string, Case> s_cases = new(StringComparer.Ordinal)
    {
        ["ConversationId"] = new() { Refused = o => o.ConversationId = "c" },
        ["Instructions"] = new() { With = o => o.Instructions = "Answer in one word, and be kind about it." },
        ["Temperature"] = new() { With = o => o.Temperature = 3 },
        ["MaxOutputTokens"] = new() { With = o => o.MaxOutputTokens = 2 },
        ["TopP"] = new() { Without = Hot, With = o => o.TopP = 1e-6f },
        ["TopK"] = new() { Without = Hot, With = o => o.TopK = 1 },
        ["FrequencyPenalty"] = new() { With = o => o.FrequencyPenalty = 20 },
        ["PresencePenalty"] = new() { With = o => o.PresencePenalty = 20 },
        ["Seed"] = new() { Without = Hot, With = o => o.Seed += 1000 },
        ["Reasoning"] = new() { Refused = o => o.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } }, // the embedded model's template has no switch; see OptionReaderTests for those that have
        ["ResponseFormat"] = new() { With = o => o.ResponseFormat = ChatResponseFormat.ForJsonSchema(s_schema) },
        ["ModelId"] = new() { Refused = o => o.ModelId = "another" },
        ["StopSequences"] = new() { With = o => o.StopSequences = ["code"], Refused = o => (o.StopSequences, o.ResponseFormat) = (["code"], ChatResponseFormat.Json) },
        ["AllowMultipleToolCalls"] = new()
        {
            Question = "Find the ticket of C8-7040.", Without = o => (o.Tools, o.ToolMode, o.Temperature) = ([s_short], ChatToolMode.RequireAny, 20), With = o => o.AllowMultipleToolCalls = false,
        },
        ["ToolMode"] = new()
        {
            Question = "Find the ticket of C8-7040.", Without = o => o.Tools = [s_tool], With = o => o.ToolMode = ChatToolMode.None,
        },
        ["Tools"] = new() { Question = "Find the ticket of C8-7040.", With = o => o.Tools = [s_tool], Refused = o => o.Tools = [new HostedWebSearchTool()] },
        ["RawRepresentationFactory"] = new() { With = o => (o.Temperature, o.RawRepresentationFactory) = (null, _ => new SamplingOptions { Temperature = 3, Seed = 3 }), Refused = o => o.RawRepresentationFactory = _ => new object() },
        ["AdditionalProperties"] = new() { With = o => o.AdditionalProperties = new() { ["regex"] = "[0-9]{3}" }, Refused = o => o.AdditionalProperties = new() { ["logit_bias"] = 1 }, RefusedAs = "logit_bias" },
        ["AllowBackgroundResponses"] = new() { Refused = Experimental("AllowBackgroundResponses", true) },
        ["ContinuationToken"] = new() { Refused = Experimental("ContinuationToken", ResponseToken()) },
        [KvOptionNames.MinP] = new() { Without = Hot, With = Own(KvOptionNames.MinP, 0.99) },
        [KvOptionNames.RepetitionPenalty] = new() { With = Own(KvOptionNames.RepetitionPenalty, 20) },
        [KvOptionNames.Grammar] = new() { With = Own(KvOptionNames.Grammar, "root ::= [a-c]{4}") },
        [KvOptionNames.Regex] = new() { With = Own(KvOptionNames.Regex, "[0-9]{3}") },
        [KvOptionNames.LogProbabilities] = new() { With = Own(KvOptionNames.LogProbabilities, true) },
        [KvOptionNames.TopLogProbabilities] = new() { Without = Own(KvOptionNames.LogProbabilities, true), With = Own(KvOptionNames.TopLogProbabilities, 2) },
        [KvOptionNames.EnableThinking] = new() { Refused = Own(KvOptionNames.EnableThinking, true), RefusedAs = "Reasoning" },
    };

    public static TheoryData<string> Names =>
    [
        .. typeof(ChatOptions).GetProperties().Where(p => p.CanWrite).Select(p => p.Name),
        .. typeof(KvOptionNames).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetRawConstantValue()!).Where(n => !n.StartsWith(KvOptionNames.Prefix, StringComparison.Ordinal)),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_option_has_an_effect_or_is_refused_by_its_name(string name)
    {
        Assert.True(s_cases.TryGetValue(name, out Case? said), $"{name} is new: say here what it does.");
        Assert.True(said.With is not null || said.Refused is not null);
        if (said.Refused is { } refused)
        {
            ChatOptions options = Plain(0);
            refused(options);
            NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options));
            Assert.Contains(said.RefusedAs ?? name, error.Message, StringComparison.Ordinal);
        }

        if (said.With is not { } set)
            return;
        List<ChatMessage> asked = said.Question is null ? EmbeddedClient.Ask() : [new(ChatRole.User, said.Question)];
        for (int seed = 0; seed < MostSeeds; seed++)
        {
            ChatOptions without = Plain(seed);
            said.Without?.Invoke(without);
            ChatOptions with = without.Clone();
            set(with);
            if (Shown(await shared.Client.GetResponseAsync(asked, without)) != Shown(await shared.Client.GetResponseAsync(asked, with)))
                return;
        }

        Assert.Fail($"{name} changed nothing.");
    }

    private static ChatOptions Plain(int seed) => new() { Temperature = 0, Seed = seed, MaxOutputTokens = 120 };

    private static void Hot(ChatOptions options) => options.Temperature = 3;

    private static Action<ChatOptions> Own(string name, object value) => o => (o.AdditionalProperties ??= [])[name] = value;

    /// <summary>What a caller sees of an answer, but for its ids and times.</summary>
    private static string Shown(ChatResponse response)
    {
        IEnumerable<string> calls = response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>().Select(c => $"{c.Name} {JsonSerializer.Serialize(c.Arguments, AIJsonUtilities.DefaultOptions)}");
        object? probabilities = null;
        response.AdditionalProperties?.TryGetValue(KvOptionNames.LogProbabilities, out probabilities);
        return $"{response.Usage!.InputTokenCount} {response.FinishReason} {response.Text} {string.Join(' ', calls)} {probabilities}";
    }

    private static Action<ChatOptions> Experimental(string name, object value) => o => typeof(ChatOptions).GetProperty(name)!.SetValue(o, value);

    private static object ResponseToken()
    {
        Type type = typeof(ChatOptions).GetProperty("ContinuationToken")!.PropertyType;
        return type.GetMethod("FromBytes", BindingFlags.Public | BindingFlags.Static)!.Invoke(null, [new ReadOnlyMemory<byte>([1, 2, 3])])!;
    }

    private sealed record Case
    {
        /// <summary>What is asked; null for a question about a document.</summary>
        public string? Question { get; init; }

        /// <summary>What both requests have.</summary>
        public Action<ChatOptions>? Without { get; init; }

        /// <summary>What one of them has, with the option and no other.</summary>
        public Action<ChatOptions>? With { get; init; }

        /// <summary>A value that is refused.</summary>
        public Action<ChatOptions>? Refused { get; init; }

        /// <summary>What the refusal names, where it is not the option's name.</summary>
        public string? RefusedAs { get; init; }
    }
}
