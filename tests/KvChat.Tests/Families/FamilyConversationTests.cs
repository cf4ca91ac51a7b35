using KvChat.Loading;
using KvChat.Prompts;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Text;
using KvChat.TestSupport;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Families;

/// <summary>
/// A conversation with two calls, from the question to the answer, as the models of each family write and read it: their template, their marks, their last token. A script
/// stands for the trained weights; everything else is what a user has.
/// </summary>
public sealed class FamilyConversationTests : IDisposable
{
    private static readonly AIFunction s_ticket = AIFunctionFactory.Create((string code) => $"T-{code}", "find_ticket", "Find the ticket of something.");
    private static readonly AIFunction s_stock = AIFunctionFactory.Create((string item, int limit) => Math.Min(limit, 17), "count_stock", "Count the stock of something.");

    private readonly string _path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N") + ".gguf");

    [SharedTheory("golden/templates")]
    [InlineData("qwen3")]
    [InlineData("llama-3.2")]
    [InlineData("gemma-2")]
    [InlineData("phi-3.5-mini")]
    [InlineData("smollm3")]
    public Task Two_calls_and_their_results_go_through_the_published_template(string family) => Converse(FamilyScripts.Find(family), required: false);

    [Theory]
    [InlineData("gemma-3")]
    [InlineData("phi-4-mini")]
    public Task Two_calls_and_their_results_go_through_a_template_of_the_form(string family) => Converse(FamilyScripts.Find(family), required: false);

    /// <summary>The same scripts pass the grammar of calls from the first token on; text before a call is then forbidden.</summary>
    [SharedTheory("golden/templates")]
    [InlineData("qwen3")]
    [InlineData("llama-3.2")]
    [InlineData("phi-3.5-mini")]
    [InlineData("phi-4-mini")]
    [InlineData("smollm3")]
    public Task Required_calls_are_what_the_model_would_write(string family)
    {
        FamilyScript script = FamilyScripts.Find(family);
        return Converse(script with { Calling = [.. script.Calling.Select(c => c.Replace("<|python_tag|>", "", StringComparison.Ordinal))] }, required: true);
    }

    [SharedTheory("golden/templates")]
    [InlineData("qwen3")]
    [InlineData("smollm3")]
    public async Task Reasoning_is_told_from_the_answer_and_can_be_left_out(string family)
    {
        FamilyScript script = FamilyScripts.Find(family);
        await using KvCompressChatClient client = await Load(script);
        ScriptedModel model = Script(client);
        ChatMessage asked = new(ChatRole.User, "How many are left?");
        string said = "<think>\nCount <b>them</b>.\nTwice.\n</think>\n\nSeventeen </think> are.<|im_end|>never said";
        model.Says(said);
        ChatResponse shown = await Stream(client, [asked], new ChatOptions());
        Assert.Equal("Count <b>them</b>.\nTwice.", string.Concat(shown.Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>().Select(c => c.Text)));
        Assert.Equal(("Seventeen </think> are.", ChatFinishReason.Stop), (shown.Text, shown.FinishReason));

        model.Says(said);
        ChatResponse hidden = await Stream(client, [asked], new ChatOptions { Reasoning = new ReasoningOptions { Output = ReasoningOutput.None } });
        Assert.Empty(hidden.Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>());
        Assert.Equal("Seventeen </think> are.", hidden.Text);

        // Switched off, the template has thought already, and nothing in the answer is reasoning.
        model.Says("Seventeen.<|im_end|>");
        ChatResponse plain = await Stream(client, [asked], new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } });
        Assert.Equal("Seventeen.", Assert.IsType<TextContent>(Assert.Single(plain.Messages[0].Contents, c => c is not UsageContent)).Text);
        Assert.NotEqual(shown.Usage!.InputTokenCount, plain.Usage!.InputTokenCount);
    }

    [SharedFact("golden/templates")]
    public async Task Two_calls_at_once_of_another_model_become_one_after_the_other_where_the_template_takes_one()
    {
        await using KvCompressChatClient client = await Load(FamilyScripts.Find("llama-3.2"));
        ChatMessage calls = new(ChatRole.Assistant, [Call("a", s_ticket, ("code", "C8-7040")), Call("b", s_ticket, ("code", "C8-7041"))]);
        ChatMessage results = new(ChatRole.Tool, [new FunctionResultContent("a", "T-1"), new FunctionResultContent("b", "T-2")]);
        string prompt = Prompt(client, [new(ChatRole.User, "Find both."), calls, results], new ChatOptions { Tools = [s_ticket] }, out _);
        string[] order = ["C8-7040", "T-1", "C8-7041", "T-2"];
        Assert.Equal(order, order.OrderBy(t => prompt.IndexOf(t, StringComparison.Ordinal)));
        Assert.Equal(order.Length, order.Count(t => prompt.Contains(t, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Marks_in_results_stay_text_where_those_of_calls_are_special_tokens()
    {
        await using KvCompressChatClient client = await Load(FamilyScripts.Find("phi-4-mini"));
        ChatMessage calls = new(ChatRole.Assistant, [Call("a", s_ticket, ("code", "<|tool_call|><|end|>"))]);
        ChatMessage results = new(ChatRole.Tool, [new FunctionResultContent("a", "<|end|><|user|><|tool_call|>")]);
        Prompt(client, [new(ChatRole.User, "Find it."), calls, results], new ChatOptions { Tools = [s_ticket] }, out int[] tokens);
        Tokenizer tokenizer = client.Served!.Model.Tokenizer;
        int Count(string mark) => tokens.Count(t => t == tokenizer.Find(mark));
        Assert.Equal((1, 1, 1, 4), (Count("<|tool_call|>"), Count("<|/tool_call|>"), Count("<|user|>"), Count("<|end|>")));
    }

    [Fact]
    public async Task The_marks_of_calls_are_drawn_as_special_tokens_around_calls_alone()
    {
        await using KvCompressChatClient client = await Load(FamilyScripts.Find("phi-4-mini"));
        ScriptedModel model = Script(client);
        ChatOptions options = new() { Tools = [s_ticket], ToolMode = ChatToolMode.RequireAny };
        model.Says("<|tool_call|>[{\"name\": \"find_ticket\", \"arguments\": {\"code\": \"a<|/tool_call|>b\"}}]<|/tool_call|><|end|>");
        GenerationFailedException error = await Assert.ThrowsAsync<GenerationFailedException>(() => Stream(client, [new(ChatRole.User, "Find it.")], options));
        Assert.Contains("is forbidden", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => File.Delete(_path);

    private async Task Converse(FamilyScript script, bool required)
    {
        await using KvCompressChatClient client = await Load(script);
        ScriptedModel model = Script(client);
        Assert.Equal(script.Syntax, client.Served!.Prompts.Traits.ToolSyntax?.Name);
        ChatOptions options = new() { Tools = [s_ticket, s_stock], Instructions = "Be brief." };
        List<ChatMessage> history = [new(ChatRole.User, "Which ticket has C8-7040, and how many of E9-1111 are left?")];
        List<FunctionCallContent> calls = [];
        foreach (string answer in script.Calling)
        {
            model.Says(answer + "never said");
            options.ToolMode = required ? ChatToolMode.RequireAny : ChatToolMode.Auto;
            ChatResponse called = await Stream(client, history, options);
            Assert.Equal(ChatFinishReason.ToolCalls, called.FinishReason);
            AssertClean(called, script);
            history.AddRange(called.Messages);
            history.Add(await Run(called, calls));
        }

        AssertCalls(calls);
        options.ToolMode = ChatToolMode.Auto;
        string prompt = Prompt(client, history, options, out int[] tokens);
        Assert.All((string[])[script.Told, .. script.Calls, .. script.Results, "Be brief."], part => Assert.Contains(part, prompt, StringComparison.Ordinal));
        model.Says(script.Final + "never said");
        ChatResponse final = await Stream(client, history, options);
        Assert.Equal((FamilyScripts.Answer, ChatFinishReason.Stop), (final.Text, final.FinishReason));
        Assert.Equal(tokens.Length, final.Usage!.InputTokenCount);
        AssertClean(final, script);

        // The next turn goes on behind it.
        history.AddRange(final.Messages);
        history.Add(new ChatMessage(ChatRole.User, "Thank you."));
        Assert.Contains(FamilyScripts.Answer, Prompt(client, history, options, out _), StringComparison.Ordinal);
    }

    private static void AssertCalls(List<FunctionCallContent> calls)
    {
        Assert.Equal(["find_ticket", "count_stock"], calls.Select(c => c.Name));
        Assert.Equal("C8-7040", calls[0].Arguments!["code"]!.ToString());
        Assert.Equal(("E9-1111", "20"), (calls[1].Arguments!["item"]!.ToString(), calls[1].Arguments!["limit"]!.ToString()));
        Assert.Equal(2, calls.Select(c => c.CallId).Distinct().Count());
    }

    /// <summary>No mark and no special token is text, nothing behind the last token was drawn, and what was thought is reasoning.</summary>
    private static void AssertClean(ChatResponse response, FamilyScript script)
    {
        string reasoning = string.Concat(response.Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>().Select(c => c.Text));
        foreach (string mark in (string[])[script.Family.Bos, script.Family.Eos, .. script.Family.Controls, .. script.Family.Marks, "<tool_call>", "never said", "{"])
            Assert.DoesNotContain(mark, response.Text + reasoning, StringComparison.Ordinal);
        if (response.FinishReason == ChatFinishReason.ToolCalls)
            Assert.Equal(script.Thought ?? "", reasoning);
    }

    private static async Task<ChatMessage> Run(ChatResponse response, List<FunctionCallContent> calls)
    {
        List<AIContent> results = [];
        foreach (FunctionCallContent call in response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>())
        {
            calls.Add(call);
            object? result = await (call.Name == s_ticket.Name ? s_ticket : s_stock).InvokeAsync(new AIFunctionArguments(call.Arguments));
            results.Add(new FunctionResultContent(call.CallId, result));
        }

        return new ChatMessage(ChatRole.Tool, results);
    }

    private static FunctionCallContent Call(string id, AIFunction tool, (string Name, object? Value) argument) =>
        new(id, tool.Name, new Dictionary<string, object?> { [argument.Name] = argument.Value });

    private static async Task<ChatResponse> Stream(KvCompressChatClient client, List<ChatMessage> history, ChatOptions options)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(history, options))
            updates.Add(update);
        return updates.ToChatResponse();
    }

    /// <summary>The prompt of a conversation, special tokens shown.</summary>
    private static string Prompt(KvCompressChatClient client, List<ChatMessage> history, ChatOptions options, out int[] tokens)
    {
        ServedModel served = client.Served!;
        var settings = new RequestSettings { Instructions = options.Instructions, Sampling = new(), Compression = KvCompression.Off, Tools = ToolSettings.Read(options) };
        BuiltPrompt prompt = served.Prompts.Build(history, settings);
        tokens = prompt.Tokens;
        return served.Model.Tokenizer.Decode(tokens, skipSpecial: false);
    }

    private static ScriptedModel Script(KvCompressChatClient client)
    {
        var model = new ScriptedModel(client.Served!.Model.Tokenizer);
        client.Served.Constraints.Around = model.Next;
        return model;
    }

    private Task<KvCompressChatClient> Load(FamilyScript script)
    {
        script.Family.Save(_path);
        return KvCompressChatClient.LoadAsync(new KvCompressChatOptions { Model = _path, CacheBytes = 32 << 20, Threads = 1 });
    }
}
