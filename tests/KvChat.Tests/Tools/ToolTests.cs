using System.ComponentModel;
using System.Text.Json;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Tools;

/// <summary>Tools through the embedded model, which was trained to call them.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class ToolTests(EmbeddedClient shared)
{
    private static readonly AIFunction s_ticket = AIFunctionFactory.Create(([Description("Which.")] string code) => $"T-{code}", "find_ticket", "Find the ticket of something.");
    private static readonly AIFunction s_stock = AIFunctionFactory.Create((string item, int limit) => limit, "count_stock", "Count the stock of something.");

    [Fact]
    public async Task A_request_for_a_tool_becomes_a_call_and_its_result_an_answer()
    {
        List<ChatMessage> conversation = [new(ChatRole.User, "Find the ticket of C8-7040.")];
        ChatResponse called = await shared.Client.GetResponseAsync(conversation, Options(s_ticket));
        FunctionCallContent call = Assert.Single(Calls(called));
        Assert.Equal(ChatFinishReason.ToolCalls, called.FinishReason);
        Assert.Equal(("find_ticket", "C8-7040"), (call.Name, call.Arguments!["code"]!.ToString()));

        conversation.AddRange(called.Messages);
        conversation.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, "4471")]));
        ChatResponse answered = await shared.Client.GetResponseAsync(conversation, Options(s_ticket));
        Assert.Equal(ChatFinishReason.Stop, answered.FinishReason);
        Assert.Contains("4471", answered.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Streaming_gives_each_call_in_one_update()
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in shared.Client.GetStreamingResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], Options(s_ticket)))
            updates.Add(update);
        Assert.Single(updates, u => u.Contents.OfType<FunctionCallContent>().Any());
        Assert.DoesNotContain(updates, u => u.Text.Contains("tool_call", StringComparison.Ordinal));
        Assert.Equal(ChatFinishReason.ToolCalls, updates[^1].FinishReason);
    }

    [Theory]
    [InlineData("Hi")]
    [InlineData("What is the gate code of the Dushus mill?")]
    public async Task A_required_call_is_made_whatever_was_said_and_matches_its_schema(string said)
    {
        ChatOptions options = Options(s_ticket, s_stock);
        options.ToolMode = ChatToolMode.RequireSpecific("count_stock");
        options.Temperature = 1.5f;
        options.MaxOutputTokens = 300;
        for (int seed = 0; seed < 10; seed++)
        {
            options.Seed = seed;
            ChatResponse response = await shared.Client.GetResponseAsync([new(ChatRole.User, said)], options);
            FunctionCallContent call = Assert.Single(Calls(response));
            Assert.Equal("count_stock", call.Name);
            Assert.Equal(["item", "limit"], call.Arguments!.Keys.Order());
            Assert.Equal(JsonValueKind.String, ((JsonElement)call.Arguments["item"]!).ValueKind);
            Assert.Matches("^-?[0-9]+$", ((JsonElement)call.Arguments["limit"]!).GetRawText());
            Assert.Equal("", response.Text);
        }
    }

    [Fact]
    public async Task Forbidden_tools_are_not_called()
    {
        ChatOptions options = Options(s_ticket);
        options.ToolMode = ChatToolMode.None;
        ChatResponse response = await shared.Client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options);
        Assert.Empty(Calls(response));
        Assert.DoesNotContain("<tool_call>", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_call_alone_is_made_where_several_are_not_allowed()
    {
        ChatOptions options = Options(s_ticket, s_stock);
        options.ToolMode = ChatToolMode.RequireAny;
        options.AllowMultipleToolCalls = false;
        const string asked = "Find the ticket of C8-7040. Count the stock of E9-1111 with limit 5.";
        Assert.Single(Calls(await shared.Client.GetResponseAsync([new(ChatRole.User, asked)], options)));
        options.AllowMultipleToolCalls = true;
        Assert.NotEmpty(Calls(await shared.Client.GetResponseAsync([new(ChatRole.User, asked)], options)));
    }

    [Fact]
    public async Task A_schema_holds_the_answer_whatever_is_drawn()
    {
        JsonElement schema = JsonDocument.Parse("""{"type":"object","properties":{"value":{"type":"string"},"sure":{"type":"boolean"}},"required":["value","sure"],"additionalProperties":false}""").RootElement;
        for (int seed = 0; seed < 10; seed++)
        {
            var options = new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema), Temperature = 1.5f, Seed = seed, MaxOutputTokens = 60 };
            using JsonDocument answer = JsonDocument.Parse((await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options)).Text);
            Assert.Equal(["value", "sure"], answer.RootElement.EnumerateObject().Select(p => p.Name));
        }
    }

    [Fact]
    public async Task A_limit_below_the_shortest_document_is_named()
    {
        var options = new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonDocument.Parse("""{"const":"a long constant text"}""").RootElement), MaxOutputTokens = 3 };
        ArgumentOutOfRangeException error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options));
        Assert.Contains("MaxOutputTokens is 3", error.Message, StringComparison.Ordinal);
        Assert.Contains("22", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Regular_expressions_and_grammars_hold_the_answer()
    {
        var options = new ChatOptions { AdditionalProperties = new() { ["regex"] = "[A-F]{3}-[0-9]{4}" } };
        Assert.Matches("^[A-F]{3}-[0-9]{4}$", (await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options)).Text);
        options = new ChatOptions { AdditionalProperties = new() { ["grammar"] = "root ::= \"yes\" | \"no\"" } };
        Assert.Contains((await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options)).Text, (string[])["yes", "no"]);
    }

    [Fact]
    public async Task With_tools_and_a_form_the_answer_is_a_call_or_the_form()
    {
        JsonElement schema = JsonDocument.Parse("""{"type":"object","properties":{"value":{"type":"string"}},"required":["value"],"additionalProperties":false}""").RootElement;
        for (int seed = 0; seed < 6; seed++)
        {
            ChatOptions options = Options(s_ticket);
            (options.ResponseFormat, options.Temperature, options.Seed, options.MaxOutputTokens) = (ChatResponseFormat.ForJsonSchema(schema), 1.5f, seed, 120);
            ChatResponse response = await shared.Client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options);
            if (Calls(response).Count > 0)
                Assert.All(Calls(response), c => Assert.Equal(["code"], c.Arguments!.Keys));
            else
                Assert.Equal(["value"], JsonDocument.Parse(response.Text).RootElement.EnumerateObject().Select(p => p.Name));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stop_sequence_cuts_no_call(bool required)
    {
        ChatOptions options = Options(s_ticket);
        options.StopSequences = ["code", "name", "{", "7040", "\n"];
        options.ToolMode = required ? ChatToolMode.RequireAny : ChatToolMode.Auto;
        ChatResponse response = await shared.Client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options);
        Assert.Equal("C8-7040", Assert.Single(Calls(response)).Arguments!["code"]!.ToString());
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
    }

    [Fact]
    public async Task A_stop_sequence_that_could_cut_a_form_is_refused()
    {
        ChatOptions[] forms = [new() { ResponseFormat = ChatResponseFormat.Json }, new() { AdditionalProperties = new() { ["regex"] = "[a-z]{3}" } }];
        foreach (ChatOptions options in forms)
        {
            options.StopSequences = ["x"];
            options.MaxOutputTokens = 50;
            NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options));
            Assert.Contains("StopSequences", error.Message, StringComparison.Ordinal);
            options.StopSequences = ["<|im_end|>"]; // a control token is no text, and cuts nothing
            Assert.Equal(ChatFinishReason.Stop, (await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options)).FinishReason);
        }
    }

    [Fact]
    public async Task Log_probabilities_come_with_the_answer()
    {
        var options = new ChatOptions { AdditionalProperties = new() { ["logprobs"] = true, ["top_logprobs"] = 2 } };
        ChatResponse response = await shared.Client.GetResponseAsync(EmbeddedClient.Ask(), options);
        using JsonDocument json = JsonDocument.Parse(response.AdditionalProperties!["logprobs"]!.ToString()!);
        JsonElement[] entries = [.. json.RootElement.EnumerateArray()];
        Assert.Equal(response.Usage!.OutputTokenCount, entries.Length);
        Assert.All(entries, e =>
        {
            Assert.InRange(e.GetProperty("logprob").GetDouble(), -50, 0);
            JsonElement[] top = [.. e.GetProperty("top_logprobs").EnumerateArray()];
            Assert.Equal(2, top.Length);
            Assert.Equal(e.GetProperty("token").GetString(), top[0].GetProperty("token").GetString()); // greedy
            Assert.True(top[0].GetProperty("logprob").GetDouble() >= top[1].GetProperty("logprob").GetDouble());
        });
    }

    private static ChatOptions Options(params AITool[] tools) => new() { Tools = tools, Temperature = 0 };

    private static List<FunctionCallContent> Calls(ChatResponse response) => [.. response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>()];
}
