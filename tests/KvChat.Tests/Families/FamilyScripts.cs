namespace KvChat.Tests.Families;

/// <summary>A family, what its model says, and what of it must stand in the next prompts.</summary>
/// <param name="Family">Template and vocabulary.</param>
/// <param name="Syntax">How it writes calls, as <c>ToolCallSyntax</c> names it.</param>
/// <param name="Calling">Answers that call, each with its last token; two at once, or one after the other.</param>
/// <param name="Final">The answer to the results.</param>
/// <param name="Told">What tells the model of the tools.</param>
/// <param name="Calls">The calls in the history, special tokens and all, one entry per answer.</param>
/// <param name="Results">The results in the history.</param>
internal sealed record FamilyScript(Family Family, string Syntax, string[] Calling, string Final, string Told, string[] Calls, string[] Results)
{
    /// <summary>The reasoning before the calls; null for none.</summary>
    public string? Thought { get; init; }
}

/// <summary>The five families, and the older forms of Gemma and Phi, which have no place for tools.</summary>
internal static class FamilyScripts
{
    public const string Answer = "The ticket of C8-7040 is T-C8-7040, and 17 of E9-1111 are left.";

    private const string Ticket = "{\"name\": \"find_ticket\", \"arguments\": {\"code\": \"C8-7040\"}}", Stock = "{\"name\": \"count_stock\", \"arguments\": {\"item\": \"E9-1111\", \"limit\": 20}}";
    private const string TicketCall = "<tool_call>\n" + Ticket + "\n</tool_call>", StockCall = "<tool_call>\n" + Stock + "\n</tool_call>";

    // The calls as they come back: of templates that print arguments, and as text of the message where they have no place for calls.
    private const string CompactCalls = "<tool_call>\n{\"name\": \"find_ticket\", \"arguments\": {\"code\":\"C8-7040\"}}\n</tool_call>\n"
        + "<tool_call>\n{\"name\": \"count_stock\", \"arguments\": {\"item\":\"E9-1111\",\"limit\":20}}\n</tool_call>";

    /// <summary>Of Gemma 3: turns of user and model that alternate, the system prompt in front of the first.</summary>
    private const string Gemma3 = """
        {{ bos_token }}{% set first = '' %}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}{% set messages = messages[1:] %}{% endif %}
        {%- for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif -%}
        {{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + (first if loop.first else '') + m.content | trim + '<end_of_turn>\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
        """;

    /// <summary>Of Phi-4-mini: tools as text in the system message, no line breaks between turns, any role by its name.</summary>
    private const string Phi4Mini = """
        {% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% if m.role == 'system' and m.tools is defined and m.tools is not none %}{{ '<|tool|>' + m.tools + '<|/tool|>' }}{% endif %}{{ '<|end|>' }}
        {%- endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}
        """;

    private static readonly string[] s_gemmaControls = ["<start_of_turn>", "<end_of_turn>"], s_phiControls = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

    public static FamilyScript Find(string name) => All.Single(s => s.Family.Name == name);

    private static IEnumerable<FamilyScript> All => [Qwen3, Llama, Gemma("gemma-2") with { Family = GemmaFamily("gemma-2") with { TemplateFile = Golden("google-gemma-2-2b-it") } }, Gemma("gemma-3"), Phi4, Phi3, SmolLM3];

    private static FamilyScript Qwen3 => new(
        new Family("qwen3", "qwen2", "<|endoftext|>", "<|im_end|>", ["<|im_start|>"])
        {
            Marks = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"], TemplateFile = Golden("Qwen-Qwen3-0.6B"),
        },
        "Hermes", [$"<think>\nBoth are needed.\n</think>\n\n{TicketCall}\n{StockCall}<|im_end|>"], $"<think>\n\n</think>\n\n{Answer}<|im_end|>",
        "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"find_ticket\"",
        [$"<|im_start|>assistant\n<think>\nBoth are needed.\n</think>\n\n{TicketCall}\n{StockCall}<|im_end|>"],
        ["<|im_start|>user\n<tool_response>\nT-C8-7040\n</tool_response>\n<tool_response>\n17\n</tool_response><|im_end|>"]) { Thought = "Both are needed." };

    private static FamilyScript Llama => new(
        new Family("llama-3.2", "llama-bpe", "<|begin_of_text|>", "<|eot_id|>", ["<|end_of_text|>", "<|eom_id|>", "<|python_tag|>", "<|start_header_id|>", "<|end_header_id|>"])
        {
            TemplateFile = Golden("meta-llama-Llama-3.2-3B-Instruct"),
        },
        "Llama",
        ["<|python_tag|>{\"name\": \"find_ticket\", \"parameters\": {\"code\": \"C8-7040\"}}<|eom_id|>", "{\"name\": \"count_stock\", \"parameters\": {\"item\": \"E9-1111\", \"limit\": 20}}<|eot_id|>"],
        $"{Answer}<|eot_id|>", "respond with a JSON for a function call",
        [
            "assistant<|end_header_id|>\n\n{\"name\": \"find_ticket\", \"parameters\": {\"code\": \"C8-7040\"}}<|eot_id|>",
            "assistant<|end_header_id|>\n\n{\"name\": \"count_stock\", \"parameters\": {\"item\": \"E9-1111\", \"limit\": 20}}<|eot_id|>",
        ],
        ["<|start_header_id|>ipython<|end_header_id|>\n\n\"T-C8-7040\"<|eot_id|>", "<|start_header_id|>ipython<|end_header_id|>\n\n\"17\"<|eot_id|>"]);

    private static FamilyScript SmolLM3 => new(
        new Family("smollm3", "llama-bpe", "<|begin_of_text|>", "<|im_end|>", ["<|end_of_text|>", "<|im_start|>"])
        {
            Marks = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"], TemplateFile = Golden("HuggingFaceTB-SmolLM3-3B"),
        },
        "Hermes", [$"<think>\nBoth are needed.\n</think>\n{TicketCall}\n{StockCall}<|im_end|>"], $"<think>\nThat is all.\n</think>\n{Answer}<|im_end|>",
        "<tools>\n{\"type\":\"function\",\"function\":{\"name\":\"find_ticket\"", [$"<|im_start|>assistant\n{CompactCalls}<|im_end|>"],
        ["<|im_start|>user\n<tool_response>\nT-C8-7040\n</tool_response><|im_end|>\n<|im_start|>user\n<tool_response>\n17\n</tool_response><|im_end|>"]) { Thought = "Both are needed." };

    private static FamilyScript Phi4 => new(
        new Family("phi-4-mini", "gpt-4o", "<|endoftext|>", "<|endoftext|>", [.. s_phiControls, "<|tool|>", "<|/tool|>", "<|tool_call|>", "<|/tool_call|>"]) { Template = Phi4Mini },
        "Phi", [$"<|tool_call|>[{Ticket}, {Stock}]<|/tool_call|><|end|>"], $"{Answer}<|end|>", "<|tool|>[{\"name\":\"find_ticket\"",
        ["<|assistant|><|tool_call|>[{\"name\": \"find_ticket\", \"arguments\": {\"code\":\"C8-7040\"}}, {\"name\": \"count_stock\", \"arguments\": {\"item\":\"E9-1111\",\"limit\":20}}]<|/tool_call|><|end|>"],
        ["<|tool|>T-C8-7040<|end|><|tool|>17<|end|>"]);

    private static FamilyScript Phi3 => new(
        new Family("phi-3.5-mini", null, "<s>", "<|endoftext|>", s_phiControls) { TemplateFile = Golden("microsoft-Phi-3.5-mini-instruct") },
        "Hermes", [$"{TicketCall}\n{StockCall}<|end|>"], $"{Answer}<|end|>", "<tools>\n{\"type\":\"function\"", [$"<|assistant|>\n{CompactCalls}<|end|>"],
        ["<|user|>\n<tool_response>\nT-C8-7040\n</tool_response><|end|>\n<|user|>\n<tool_response>\n17\n</tool_response><|end|>"]);

    private static FamilyScript Gemma(string name) => new(
        GemmaFamily(name), "Hermes", [$"I look both up.\n{TicketCall}\n{StockCall}<end_of_turn>"], $"{Answer}<end_of_turn>", "<tools>\n{\"type\":\"function\"",
        [$"<start_of_turn>model\nI look both up.\n{CompactCalls}<end_of_turn>"],
        ["<start_of_turn>user\n<tool_response>\nT-C8-7040\n</tool_response>\n\n<tool_response>\n17\n</tool_response><end_of_turn>"]);

    private static Family GemmaFamily(string name) => new(name, null, "<bos>", "<eos>", s_gemmaControls) { Template = Gemma3 };

    private static string Golden(string template) => $"golden/templates/{template}.jinja";
}
