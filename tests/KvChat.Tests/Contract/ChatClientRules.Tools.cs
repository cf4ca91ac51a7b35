using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>Tools and structured output.</summary>
public static partial class ChatClientRules
{
    private const string Weather = "get_weather", Clock = "get_time";

    private static AITool[] Tools =>
    [
        AIFunctionFactory.Create(static (string city, int days) => $"{city} {days}", Weather, "Gives the weather of a city."),
        AIFunctionFactory.Create(static (string zone) => zone, Clock, "Gives the time of a zone."),
    ];

    public static Task A_required_call_comes_as_one_late_update_with_arguments_after_the_schema(ContractSubject s) => WithTools(s, async () =>
    {
        List<ChatResponseUpdate> updates = await s.Updates(Calling(s, ChatToolMode.RequireAny));
        FunctionCallContent[] calls = [.. updates.SelectMany(u => u.Contents).OfType<FunctionCallContent>()];
        Assert.NotEmpty(calls);
        Assert.All(calls, Matches);
        Assert.Equal(calls.Length, calls.Select(c => c.CallId).Distinct().Count());
        Assert.Equal(ChatFinishReason.ToolCalls, updates[^1].FinishReason);
    });

    public static Task A_required_tool_is_the_one_that_is_called(ContractSubject s) => WithTools(s, async () =>
    {
        foreach (string name in new[] { Weather, Clock })
            Assert.All(Calls(await s.Answer(Calling(s, ChatToolMode.RequireSpecific(name)))), c => Assert.Equal(name, c.Name));
    });

    public static Task Without_tool_mode_none_is_called(ContractSubject s) => WithTools(s, async () =>
    {
        ChatResponse response = await s.Answer(Calling(s, ChatToolMode.None));
        Assert.DoesNotContain(response.Messages.SelectMany(m => m.Contents), c => c is FunctionCallContent);
        Assert.NotEqual(ChatFinishReason.ToolCalls, response.FinishReason);
    });

    public static Task One_call_at_most_where_several_are_not_allowed(ContractSubject s) => WithTools(s, async () =>
    {
        ChatOptions options = Calling(s, ChatToolMode.RequireAny);
        options.AllowMultipleToolCalls = false;
        Assert.Single(Calls(await s.Answer(options)));
    });

    public static Task The_result_of_a_call_goes_back(ContractSubject s) => WithTools(s, async () =>
    {
        List<ChatMessage> history = s.Ask();
        ChatResponse asked = await s.Answer(Calling(s, ChatToolMode.RequireAny), [.. history]);
        history.AddMessages(asked);
        long little = await Input("Fine."), more = await Input("Fine in the morning, and later on rain and wind.");
        Assert.True(more > little, "the result was not read");

        async Task<long> Input(string result)
        {
            ChatMessage results = new(ChatRole.Tool, [.. Calls(asked).Select(c => new FunctionResultContent(c.CallId, result))]);
            ChatResponse answer = await s.Answer(Calling(s, ChatToolMode.None), [.. history, results]);
            Assert.NotNull(answer.FinishReason);
            return answer.Usage!.InputTokenCount!.Value;
        }
    });

    public static async Task A_tool_that_a_service_would_host_is_refused_by_name(ContractSubject s)
    {
        ChatOptions options = s.Greedy();
        options.Tools = [new HostedWebSearchTool()];
        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => s.Answer(options));
        Assert.Contains(new HostedWebSearchTool().Name, error.Message, StringComparison.Ordinal);
    }

    public static Task Json_is_json(ContractSubject s) => OrRefused(nameof(ChatOptions.ResponseFormat), s.MustSupportJson, async () =>
    {
        ChatOptions options = new() { Temperature = 2, Seed = 1, ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = s.RoomForTools };
        Assert.Equal(JsonValueKind.Object, Parsed(await s.Answer(options)).ValueKind);
    });

    public static Task Json_follows_its_schema(ContractSubject s) => OrRefused(nameof(ChatOptions.ResponseFormat), s.MustSupportJson, async () =>
    {
        const string schema = """{"type":"object","properties":{"word":{"enum":["yes","no"]},"count":{"type":"integer","minimum":0,"maximum":99}},"required":["word","count"],"additionalProperties":false}""";
        using JsonDocument document = JsonDocument.Parse(schema);
        ChatOptions options = new() { Temperature = 2, Seed = 1, ResponseFormat = ChatResponseFormat.ForJsonSchema(document.RootElement), MaxOutputTokens = s.RoomForTools };
        JsonElement json = Parsed(await s.Answer(options));
        Assert.Contains(json.GetProperty("word").GetString(), (string[])["yes", "no"]);
        Assert.InRange(json.GetProperty("count").GetInt32(), 0, 99);
        Assert.Equal(2, json.EnumerateObject().Count());
    });

    private static Task WithTools(ContractSubject s, Func<Task> action) => OrRefused(nameof(ChatOptions.Tools), s.MustSupportTools, action);

    private static ChatOptions Calling(ContractSubject s, ChatToolMode mode) => new() { Temperature = 0, MaxOutputTokens = s.RoomForTools, Tools = Tools, ToolMode = mode };

    private static FunctionCallContent[] Calls(ChatResponse response)
    {
        FunctionCallContent[] calls = [.. response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>()];
        Assert.NotEmpty(calls);
        return calls;
    }

    private static void Matches(FunctionCallContent call)
    {
        Assert.Null(call.Exception);
        Assert.False(string.IsNullOrEmpty(call.CallId));
        Assert.NotNull(call.Arguments);
        JsonElement arguments = JsonSerializer.SerializeToElement(call.Arguments, AIJsonUtilities.DefaultOptions);
        Assert.Contains(call.Name, (string[])[Weather, Clock]);
        if (call.Name == Weather)
            Assert.Equal((JsonValueKind.String, JsonValueKind.Number), (arguments.GetProperty("city").ValueKind, arguments.GetProperty("days").ValueKind));
        else
            Assert.Equal(JsonValueKind.String, arguments.GetProperty("zone").ValueKind);
    }

    private static JsonElement Parsed(ChatResponse response)
    {
        using JsonDocument document = JsonDocument.Parse(response.Text);
        return document.RootElement.Clone();
    }
}
