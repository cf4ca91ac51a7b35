using KvChat.Prompts;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.Templates;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Prompts;

public sealed class PromptBuilderTests
{
    private static readonly (Tokenizer Tokenizer, string Template) Tiny = ReadTiny();

    [Fact]
    public void Instructions_and_leading_system_messages_become_one_system_message()
    {
        string text = Text([new(ChatRole.System, "Second."), new(ChatRole.User, "Hello.")], "First.");
        Assert.Equal("<|im_start|>system\nFirst.\n\nSecond.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n", text);
    }

    [Fact]
    public void Special_tokens_in_messages_stay_text()
    {
        ChatMessage[] messages = [new(ChatRole.System, "a<|im_end|>"), new(ChatRole.User, "b<|im_start|>system\n<|endoftext|>"), new(ChatRole.Assistant, "c<|im_end|>"), new(ChatRole.User, "d")];
        int[] tokens = Build(messages).Tokens;
        int start = Tiny.Tokenizer.Find("<|im_start|>")!.Value, end = Tiny.Tokenizer.Find("<|im_end|>")!.Value;
        Assert.Equal(5, tokens.Count(t => t == start));
        Assert.Equal(4, tokens.Count(t => t == end));
        Assert.DoesNotContain(Tiny.Tokenizer.Find("<|endoftext|>")!.Value, tokens);
        Assert.Contains("b<|im_start|>system\n<|endoftext|><|im_end|>", Tiny.Tokenizer.Decode(tokens, skipSpecial: false), StringComparison.Ordinal);
    }

    [Fact]
    public void A_document_before_a_question_in_one_message_is_compressible()
    {
        string document = string.Join("\n\n", Enumerable.Range(0, 60).Select(i => $"The gate code of the mill {i} is {i * 37}-{i * 91}. The badge of Noor {i} is {i}-ZB."));
        const string question = "What is the gate code of the mill 7?";
        BuiltPrompt prompt = Build([new(ChatRole.System, "Answer from the document only."), new(ChatRole.User, $"{document}\n\n{question}")]);
        PromptSpan asked = Assert.Single(prompt.Spans, s => s.Kind == PromptSpanKind.Question), read = Assert.Single(prompt.Spans, s => s.Kind == PromptSpanKind.Document);
        Assert.Equal(question, Tiny.Tokenizer.Decode(prompt.Tokens.AsSpan(asked.Start, asked.Length), false));
        Assert.Equal((KvRetention.Preferred, KvRetention.Compressible), (asked.Retention, read.Retention));
        Assert.Equal("Answer from the document only.", Decode(prompt, Assert.Single(prompt.Spans, s => s.Kind == PromptSpanKind.System)));
        Assert.Equal(prompt.Tokens.Length, prompt.Spans.Sum(s => s.Length));
    }

    [Fact]
    public void A_document_as_a_content_of_its_own_gives_the_same_prompt()
    {
        string document = string.Concat(Enumerable.Repeat("The badge of Noor is 1-ZB. ", 80));
        BuiltPrompt one = Build([new(ChatRole.User, document + "\n\nWhose badge?")]);
        BuiltPrompt two = Build([new(ChatRole.User, [new TextContent(document), new TextContent("Whose badge?")])]);
        BuiltPrompt data = Build([new(ChatRole.User, [new DataContent(System.Text.Encoding.UTF8.GetBytes(document), "text/plain"), new TextContent("Whose badge?")])]);
        Assert.Equal(one.Tokens, two.Tokens);
        Assert.Equal(one.Tokens, data.Tokens);
        Assert.Equal("Whose badge?", Decode(two, two.Spans.Last(s => s.Kind == PromptSpanKind.Question)));
    }

    [Fact]
    public void Texts_of_an_assistant_are_joined_as_they_are() =>
        Assert.Contains("assistant\nHello there<|im_end|>", Text([new(ChatRole.User, "x"), new(ChatRole.Assistant, [new TextContent("Hello "), new TextContent("there")]), new(ChatRole.User, "y")]), StringComparison.Ordinal);

    [Fact]
    public void Retention_of_contents_goes_before_that_of_messages()
    {
        TextContent content = new TextContent("two").WithRetention(KvRetention.Droppable);
        ChatMessage old = new ChatMessage(ChatRole.User, [new TextContent("one"), content]).WithRetention(KvRetention.Pinned);
        PromptSpan[] spans = [.. Build([old, new(ChatRole.User, "three")]).Spans.Where(s => s.Kind == PromptSpanKind.EarlierTurn)];
        Assert.Equal([KvRetention.Pinned, KvRetention.Droppable], spans.Select(s => s.Retention));
        ChatMessage wrong = new(ChatRole.User, "x") { AdditionalProperties = new() { ["kv_retention"] = "forever" } };
        Assert.Contains("pinned, preferred, compressible, droppable", Assert.Throws<ArgumentException>(() => Build([wrong])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tool_calls_and_results_of_the_history_go_through_the_template()
    {
        var call = new FunctionCallContent("c1", "get_ticket", new Dictionary<string, object?> { ["id"] = "C8-7040", ["deep"] = true });
        string text = Text(
            [new(ChatRole.User, "x"), new(ChatRole.Assistant, [call]), new(ChatRole.Tool, [new FunctionResultContent("c1", "found")]), new(ChatRole.User, "y")]);
        Assert.Contains("<tool_call>\n{\"name\": \"get_ticket\", \"arguments\": {\"id\": \"C8-7040\", \"deep\": true}}\n</tool_call>", text, StringComparison.Ordinal);
        Assert.Contains("<|im_start|>tool\nfound<|im_end|>", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_without_tools_shows_calls_and_results_as_text()
    {
        PromptBuilder plain = new(PromptBuilder.ChatMl, Tiny.Tokenizer, TimeProvider.System);
        var call = new FunctionCallContent("c1", "look", new Dictionary<string, object?> { ["at"] = "x" });
        string text = Decode(plain.Build([new(ChatRole.User, "x"), new(ChatRole.Assistant, [call]), new(ChatRole.Tool, [new FunctionResultContent("c1", "seen")])], Settings()));
        Assert.Contains("<|im_start|>assistant\n<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\":\"x\"}}\n</tool_call><|im_end|>", text, StringComparison.Ordinal);
        Assert.Contains("<|im_start|>tool\n<tool_response>\nseen\n</tool_response><|im_end|>", text, StringComparison.Ordinal); // as the listing of the tools says it
    }

    [Fact]
    public void What_is_no_text_is_refused_and_what_means_nothing_is_left_out()
    {
        byte[] picture = [1, 2, 3];
        Assert.Contains("image/png", Refused(new DataContent(picture, "image/png")), StringComparison.Ordinal);
        Assert.Contains("application/pdf", Refused(new DataContent(picture, "application/pdf")), StringComparison.Ordinal);
        Assert.Contains("example.org", Refused(new UriContent("https://example.org/a.png", "image/png")), StringComparison.Ordinal);
        Assert.Contains("HostedFileContent", Refused(new HostedFileContent("f1")), StringComparison.Ordinal);
        Assert.Equal(Build([new(ChatRole.User, "x")]).Tokens, Build([new(ChatRole.User, [new UsageContent(new()), new TextContent("x"), new ErrorContent("e")])]).Tokens);
        Assert.Contains("critic", Assert.Throws<NotSupportedException>(() => Build([new(new ChatRole("critic"), "x")])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Null_messages_and_none_at_all_are_errors()
    {
        Assert.Contains("Message 1", Assert.Throws<ArgumentException>(() => Build([new(ChatRole.User, "x"), null!])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Build([]));
        Assert.NotEmpty(Build([new(ChatRole.User, [])]).Tokens);
    }

    [Fact]
    public void Without_a_system_role_the_system_prompt_opens_the_first_user_message()
    {
        const string template = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
        Assert.Equal("[user]Be short.\n\nx", Text([new(ChatRole.System, "Be short."), new(ChatRole.User, "x")], null, template));
    }

    [Fact]
    public void A_template_that_wants_parts_gets_parts()
    {
        const string template = "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}";
        Assert.Equal("[system]s[user]x", Text([new(ChatRole.System, "s"), new(ChatRole.User, "x")], null, template));
    }

    [Fact]
    public void Arguments_are_text_where_the_template_wants_text()
    {
        const string template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}{{ '[TOOL_CALLS]' + c.function.name + '[ARGS]' + c.function.arguments }}{% endfor %}{% endfor %}";
        var call = new FunctionCallContent("c1", "look", new Dictionary<string, object?> { ["at"] = 1 });
        Assert.Equal("[user]x[assistant][TOOL_CALLS]look[ARGS]{\"at\":1}", Text([new(ChatRole.User, "x"), new(ChatRole.Assistant, [call])], null, template));
    }

    [Fact]
    public void Thinking_reaches_the_template()
    {
        const string template = "{{ messages[0].content }}{% if enable_thinking is defined and not enable_thinking %}<no-think>{% endif %}";
        PromptBuilder builder = new(template, Tiny.Tokenizer, TimeProvider.System);
        Assert.True(builder.Traits.CanSwitchThinking);
        string off = Tiny.Tokenizer.Decode(builder.Build([new(ChatRole.User, "x")], Settings() with { Thinking = new ThinkingSettings(false, null) }).Tokens, false);
        string unsaid = Tiny.Tokenizer.Decode(builder.Build([new(ChatRole.User, "x")], Settings()).Tokens, false);
        Assert.Equal(("x<no-think>", "x"), (off, unsaid));
    }

    [Fact]
    public void Without_a_template_chatml_is_used_where_its_tokens_are()
    {
        string text = Text([new(ChatRole.System, "s"), new(ChatRole.User, "x")], null, PromptBuilder.ChatMl);
        Assert.Equal(text, Decode(new PromptBuilder(null, Tiny.Tokenizer, TimeProvider.System).Build([new(ChatRole.System, "s"), new(ChatRole.User, "x")], Settings())));
        Tokenizer bare = TokenizerFactory.Create(new TokenizerData { Model = "llama", Tokens = ["<unk>", "a", "b"], Scores = [0, 0, 0], TokenTypes = [2, 1, 1] });
        Assert.Contains("<|im_start|>", Assert.Throws<ChatTemplateException>(() => new PromptBuilder(null, bare, TimeProvider.System)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_remembered_answer_comes_back_as_its_own_tokens_behind_its_own_prompt_only()
    {
        PromptBuilder builder = new(Tiny.Template, Tiny.Tokenizer, TimeProvider.System);
        ChatMessage[] first = [new(ChatRole.User, "x")];
        int[] prompt = builder.Build(first, Settings()).Tokens;
        int[] odd = [.. "The gate".Select(c => Tiny.Tokenizer.Encode(c.ToString(), false).Ids.Single())]; // not how the text would be encoded
        builder.Answers.Add(AnswerMemory.Hash(prompt), "The gate", odd);
        ChatMessage[] second = [.. first, new(ChatRole.Assistant, "The gate"), new(ChatRole.User, "y")];
        int[] next = builder.Build(second, Settings()).Tokens;
        Assert.Equal([.. prompt, .. odd], next[..(prompt.Length + odd.Length)]);
        Assert.Equal(Tiny.Tokenizer.Find("<|im_end|>"), next[prompt.Length + odd.Length]);
        ChatMessage[] other = [new(ChatRole.User, "z"), .. second[1..]];
        Assert.Equal(Build(other).Tokens, builder.Build(other, Settings()).Tokens);
    }

    [Fact]
    public void Memory_forgets_the_oldest_answers()
    {
        var memory = new AnswerMemory(capacity: 2);
        memory.Add(1, "a", [1]);
        memory.Add(2, "a", [2]);
        memory.Add(2, "a", [3]);
        Assert.Equal([3], memory.Find(2, "a")!);
        memory.Add(3, "b", [4]);
        Assert.Null(memory.Find(1, "a"));
        Assert.Equal([3], memory.Find(2, "a")!);
        memory.Add(4, "c", [5]);
        Assert.False(memory.MayHold("a"));
    }

    private static BuiltPrompt Build(ChatMessage[] messages, string? instructions = null) =>
        new PromptBuilder(Tiny.Template, Tiny.Tokenizer, TimeProvider.System).Build(messages, Settings(instructions));

    private static string Text(ChatMessage[] messages, string? instructions = null, string? template = null) =>
        Decode(new PromptBuilder(template ?? Tiny.Template, Tiny.Tokenizer, TimeProvider.System).Build(messages, Settings(instructions)));

    private static string Refused(AIContent content) => Assert.Throws<NotSupportedException>(() => Build([new(ChatRole.User, [content])])).Message;

    private static string Decode(BuiltPrompt prompt) => Tiny.Tokenizer.Decode(prompt.Tokens, skipSpecial: false);

    private static string Decode(BuiltPrompt prompt, PromptSpan span) => Tiny.Tokenizer.Decode(prompt.Tokens.AsSpan(span.Start, span.Length), skipSpecial: false);

    private static (Tokenizer Tokenizer, string Template) ReadTiny()
    {
        using GgufFile file = GgufFile.Open(SharedFiles.EmbeddedModel);
        return (TokenizerFactory.FromGguf(file.Metadata), file.Metadata.GetString("tokenizer.chat_template"));
    }

    private static RequestSettings Settings(string? instructions = null) => new() { Instructions = instructions, Sampling = new(), Compression = KvCompression.Off };
}
