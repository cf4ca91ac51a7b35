using System.Text.Json;
using System.Text.Json.Nodes;
using KvChat.Runtime.Scheduling;
using KvChat.StructuredOutput;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

/// <summary>Sizes and nestings that nobody means well with: each ends in an answer, or in an error that says where and how much.</summary>
[Collection(WholeProcess.Name)]
public sealed class HostileJsonTests(EmbeddedClient shared)
{
    private const int Deep = 5_000;

    [Theory]
    [InlineData("user", "word ")]
    [InlineData("user", "\uD800\0 ")]
    [InlineData("user", "          ")]
    [InlineData("assistant", "word ")]
    [InlineData("tool", "word ")]
    [InlineData("instructions", "word ")]
    public async Task A_text_of_64_MB_is_refused_by_its_length_before_it_is_copied(string place, string word)
    {
        string text = string.Concat(Enumerable.Repeat(word, (64 << 20) / word.Length));
        List<ChatMessage> messages = [new(ChatRole.User, "Hi")];
        if (place == "tool")
            messages.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", text)]));
        else if (place != "instructions")
            messages.Add(new ChatMessage(new ChatRole(place), text));
        var options = new ChatOptions { Instructions = place == "instructions" ? text : null };
        long before = GC.GetTotalAllocatedBytes(precise: true);
        KvCapacityException error = await Assert.ThrowsAsync<KvCapacityException>(() => shared.Client.GetResponseAsync(messages, options));
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.True(allocated < 32 << 20, $"{allocated} bytes were allocated");
        Assert.Contains(place == "instructions" ? "ChatOptions.Instructions" : $"message 1 ({place})", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{text.Length} characters", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{error.Available} available", error.Message, StringComparison.Ordinal);
        Assert.True(error.Needed > error.Available);
    }

    [Fact]
    public async Task A_prompt_that_surely_outgrows_the_context_is_refused_in_tokens()
    {
        string text = string.Concat(Enumerable.Repeat("word ", 600_000));
        KvCapacityException error = await Assert.ThrowsAsync<KvCapacityException>(() => shared.Client.GetResponseAsync([new(ChatRole.User, text)]));
        Assert.Contains("tokens of context", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<KvCapacityException>(() => shared.Client.PrepareDocumentAsync(text));
    }

    [Fact]
    public async Task Deep_arguments_in_the_history_are_named()
    {
        JsonElement deep = Nested(Deep);
        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => shared.Client.GetResponseAsync(Called(new() { ["code"] = deep }, "4471")));
        Assert.Contains("arguments of the call of \"find_ticket\" (c1)", error.Message, StringComparison.Ordinal);
        ChatResponse shallow = await shared.Client.GetResponseAsync(Called(new() { ["code"] = Nested(100) }, "4471"), new ChatOptions { MaxOutputTokens = 1 });
        Assert.Equal(ChatFinishReason.Length, shallow.FinishReason);
    }

    [Fact]
    public async Task Deep_results_are_named()
    {
        foreach (object result in (object[])[Nested(Deep), new Loop()])
        {
            ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => shared.Client.GetResponseAsync(Called([], result)));
            Assert.Contains("result of call \"c1\"", error.Message, StringComparison.Ordinal);
        }

        await shared.Client.GetResponseAsync(Called([], Nested(100)), new ChatOptions { MaxOutputTokens = 1 });
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(20_000)]
    public async Task Deep_schemas_of_tools_are_named(int depth)
    {
        AIFunctionDeclaration tool = AIFunctionFactory.CreateDeclaration("find_ticket", "Find it.", Schema(depth));
        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(
            () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { Tools = [tool] }));
        Assert.Contains("parameters of \"find_ticket\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("256", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(20_000)]
    public async Task Deep_schemas_of_answers_are_refused(int depth)
    {
        ConstraintSyntaxException error = await Assert.ThrowsAsync<ConstraintSyntaxException>(
            () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(Schema(depth)) }));
        Assert.Contains("1000 deep", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schemas_that_are_nested_as_deep_as_is_read_are_compiled_or_refused_by_name()
    {
        foreach (int depth in (int[])[40, 60, 120, 400, 900])
        {
            Exception? error = await Record.ExceptionAsync(
                () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(Schema(depth)), MaxOutputTokens = 20 }));
            Assert.True(error is null or ConstraintSyntaxException or SchemaNotSupportedException, $"{depth}: {error}");
        }
    }

    [Theory]
    [InlineData("kv_retained_ratio")]
    [InlineData("min_p")]
    [InlineData("logprobs")]
    [InlineData("regex")]
    [InlineData("grammar")]
    [InlineData("enable_thinking")]
    public async Task A_property_that_holds_anything_is_named_in_a_short_error(string name)
    {
        JsonElement half = JsonDocument.Parse("\"\\ud800\"").RootElement;
        object[] values = [Nested(Deep), JsonNode.Parse("[[[1]]]")!, half, new string('x', 1 << 20).Insert(0, "[")];
        foreach (object value in values)
        {
            Exception? error = await Record.ExceptionAsync(
                () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { MaxOutputTokens = 1, AdditionalProperties = new() { [name] = value } }));
            Assert.True(error is ArgumentException or ConstraintSyntaxException or SchemaNotSupportedException, $"{value.GetType()}: {error}");
            Assert.True(error!.Message.Length < 1000, error.Message);
        }
    }

    [Theory]
    [InlineData("half")]
    [InlineData("a\0b")]
    [InlineData("a\nb")]
    public async Task A_tool_whose_name_is_no_text_is_refused(string given)
    {
        string name = given == "half" ? "\uD800" : given; // which does not survive in test data
        AIFunctionDeclaration tool = AIFunctionFactory.CreateDeclaration(name, "Find it.", Schema(1));
        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { Tools = [tool] }));
        Assert.Contains($"U+{(int)name.First(c => !char.IsAsciiLetter(c)):X4}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Half_of_a_surrogate_pair_in_JSON_is_named()
    {
        JsonElement half = JsonDocument.Parse("""{"type":"object","properties":{"a":{"const":"\ud800"}}}""").RootElement;
        AIFunctionDeclaration tool = AIFunctionFactory.CreateDeclaration("find_ticket", "Find it.", half);
        List<Func<Task>> asked =
        [
            () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { Tools = [tool] }),
            () => shared.Client.GetResponseAsync([new(ChatRole.User, "Hi")], new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(half) }),
            () => shared.Client.GetResponseAsync(Called(new() { ["code"] = half }, "1")),
            () => shared.Client.GetResponseAsync(Called([], half)),
        ];
        foreach (Func<Task> ask in asked)
        {
            Exception? error = await Record.ExceptionAsync(ask);
            Assert.True(error is ArgumentException or ConstraintSyntaxException, $"{error}");
            Assert.Contains("surrogate", error!.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Texts_that_are_no_Unicode_are_read_with_replacements()
    {
        ChatResponse response = await shared.Client.GetResponseAsync([new(ChatRole.User, "a\uD800b\0c\uDC00")], new ChatOptions { MaxOutputTokens = 2 });
        Assert.True(response.Usage!.InputTokenCount > 4);
    }

    private static List<ChatMessage> Called(Dictionary<string, object?> arguments, object result) =>
    [
        new(ChatRole.User, "Find it."), new(ChatRole.Assistant, [new FunctionCallContent("c1", "find_ticket", arguments)]), new(ChatRole.Tool, [new FunctionResultContent("c1", result)]),
    ];

    private static JsonElement Nested(int depth) => Parse(new string('[', depth) + new string(']', depth), depth);

    private static JsonElement Schema(int depth) => Parse(string.Concat(Enumerable.Repeat("{\"type\":\"array\",\"items\":", depth)) + "{}" + new string('}', depth), depth);

    private static JsonElement Parse(string text, int depth) => JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = depth + 10 }).RootElement;

    private sealed class Loop
    {
        public Loop Self => this;
    }
}
