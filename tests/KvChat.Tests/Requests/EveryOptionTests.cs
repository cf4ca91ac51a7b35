using System.Reflection;
using System.Text.Json;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Requests;

/// <summary>Each property of <see cref="ChatOptions"/> changes the answer of the embedded model, or is refused by name.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class EveryOptionTests(EmbeddedClient shared)
{
    private static readonly AIFunction s_tool = AIFunctionFactory.Create((string code) => code, "find_ticket", "Find the ticket of something.");

    /// <summary>By the property's name: options that have an effect, beside options without, or a refusal.</summary>
    private static readonly Dictionary<string, (Action<ChatOptions> Set, bool IsRefused)> s_settings = new(StringComparer.Ordinal)
    {
        ["ConversationId"] = (o => o.ConversationId = "c", true),
        ["Instructions"] = (o => o.Instructions = "Answer in one word, and be kind about it.", false),
        ["Temperature"] = (o => (o.Temperature, o.Seed) = (3, 1), false),
        ["MaxOutputTokens"] = (o => o.MaxOutputTokens = 2, false),
        ["TopP"] = (o => (o.TopP, o.Seed, o.Temperature) = (0.99f, 3, 3), false),
        ["TopK"] = (o => (o.TopK, o.Seed, o.Temperature) = (50, 3, 3), false),
        ["FrequencyPenalty"] = (o => o.FrequencyPenalty = 20, false),
        ["PresencePenalty"] = (o => o.PresencePenalty = 20, false),
        ["Seed"] = (o => (o.Seed, o.Temperature) = (5, 3), false),
        ["Reasoning"] = (o => o.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High }, true),
        ["ResponseFormat"] = (o => o.ResponseFormat = ChatResponseFormat.Json, false),
        ["ModelId"] = (o => o.ModelId = "another", true),
        ["StopSequences"] = (o => o.StopSequences = ["code"], false),
        ["AllowMultipleToolCalls"] = (o => (o.AllowMultipleToolCalls, o.Tools, o.ToolMode) = (false, [s_tool], ChatToolMode.RequireAny), false),
        ["ToolMode"] = (o => (o.ToolMode, o.Tools) = (ChatToolMode.RequireAny, [s_tool]), false),
        ["Tools"] = (o => o.Tools = [new HostedWebSearchTool()], true),
        ["RawRepresentationFactory"] = (o => o.RawRepresentationFactory = _ => new object(), true),
        ["AdditionalProperties"] = (o => o.AdditionalProperties = new() { ["regex"] = "[0-9]{3}" }, false),
        ["AllowBackgroundResponses"] = (Experimental("AllowBackgroundResponses", true), true),
        ["ContinuationToken"] = (Experimental("ContinuationToken", ResponseToken()), true),
    };

    public static TheoryData<string> Properties => [.. typeof(ChatOptions).GetProperties().Where(p => p.CanWrite).Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Properties))]
    public async Task An_option_has_an_effect_or_is_refused_by_its_name(string property)
    {
        Assert.True(s_settings.TryGetValue(property, out (Action<ChatOptions> Set, bool IsRefused) setting), $"ChatOptions.{property} is new: say here what it does.");
        ChatOptions plain = new() { Temperature = 0, MaxOutputTokens = 120 }, with = plain.Clone();
        setting.Set(with);
        if (setting.IsRefused)
        {
            NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => shared.Client.GetResponseAsync(EmbeddedClient.Ask(), with));
            Assert.Contains(property, error.Message, StringComparison.Ordinal);
            return;
        }

        string expected = Shown(await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), plain)), found = Shown(await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), with));
        Assert.NotEqual(expected, found);
    }

    private static string Shown(ChatResponse response) =>
        $"{response.Usage!.InputTokenCount} {response.FinishReason} {response.Text} {string.Join(' ', response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>().Select(c => JsonSerializer.Serialize(c.Arguments, AIJsonUtilities.DefaultOptions)))}";

    private static Action<ChatOptions> Experimental(string name, object value) => o => typeof(ChatOptions).GetProperty(name)!.SetValue(o, value);

    private static object ResponseToken()
    {
        Type type = typeof(ChatOptions).GetProperty("ContinuationToken")!.PropertyType;
        return type.GetMethod("FromBytes", BindingFlags.Public | BindingFlags.Static)!.Invoke(null, [new ReadOnlyMemory<byte>([1, 2, 3])])!;
    }
}
