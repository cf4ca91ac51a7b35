using KvChat.Templates;

namespace KvChat.Prompts;

/// <summary>Finds out what a template can do by rendering small conversations and looking for what they said.</summary>
internal sealed class TemplateProbe(ChatTemplate template, Func<TemplateInput> variables)
{
    private const string Word = "kvprobe";

    public TemplateTraits Traits(string source)
    {
        bool wantsParts = !Shows(Word, Message("user", Word)) && Shows(Word, Parts("user", Word));
        return new TemplateTraits
        {
            WantsParts = wantsParts,
            HasSystemRole = Shows(Word, Say(wantsParts, "system", Word), Say(wantsParts, "user", "x")),
            ToolCalls = CallForm(wantsParts),
            HasToolRole = Shows(Word, [.. Call(wantsParts, Arguments()), ToolResult(wantsParts)]) || Shows(Word, [.. Call(wantsParts, TemplateValue.Trusted("{}")), ToolResult(wantsParts)]),
            CanSwitchThinking = source.Contains("enable_thinking", StringComparison.Ordinal),
            KnowsReasoningEffort = source.Contains("reasoning_effort", StringComparison.Ordinal),
        };
    }

    private ToolCallForm CallForm(bool wantsParts)
    {
        // Printed as JSON the name has double quotes; a map that was printed as Python's has single ones.
        const string json = "\"" + Word + "\"";
        if (Shows(json, Call(wantsParts, Arguments())))
            return ToolCallForm.Map;
        return Shows(json, Call(wantsParts, TemplateValue.Trusted("{" + json + ": 1}"))) ? ToolCallForm.Text : ToolCallForm.None;
    }

    private static TemplateValue Arguments() => TemplateValue.Map([new(Word, TemplateValue.FromInt64(1))]);

    private static TemplateValue[] Call(bool wantsParts, TemplateValue arguments)
    {
        TemplateValue call = TemplateValue.Map(
        [
            new("id", TemplateValue.Trusted("probe0001")),
            new("type", TemplateValue.Trusted("function")),
            new("function", TemplateValue.Map([new("name", TemplateValue.Trusted("look")), new("arguments", arguments)])),
        ]);
        TemplateValue assistant = TemplateValue.Map(
        [
            new("role", TemplateValue.Trusted("assistant")), new("content", TemplateValue.Trusted("")), new("tool_calls", TemplateValue.List([call])),
        ]);
        return [Say(wantsParts, "user", "x"), assistant];
    }

    private static TemplateValue ToolResult(bool wantsParts) => TemplateValue.Map(
    [
        new("role", TemplateValue.Trusted("tool")),
        new("content", wantsParts ? TextParts(Word) : TemplateValue.Trusted(Word)),
        new("tool_call_id", TemplateValue.Trusted("probe0001")),
        new("name", TemplateValue.Trusted("look")),
    ]);

    private static TemplateValue Say(bool wantsParts, string role, string text) => wantsParts ? Parts(role, text) : Message(role, text);

    private static TemplateValue Message(string role, string text) =>
        TemplateValue.Map([new("role", TemplateValue.Trusted(role)), new("content", TemplateValue.Trusted(text))]);

    private static TemplateValue Parts(string role, string text) =>
        TemplateValue.Map([new("role", TemplateValue.Trusted(role)), new("content", TextParts(text))]);

    private static TemplateValue TextParts(string text) =>
        TemplateValue.List([TemplateValue.Map([new("type", TemplateValue.Trusted("text")), new("text", TemplateValue.Trusted(text))])]);

    private bool Shows(string what, params TemplateValue[] messages)
    {
        TemplateInput input = variables();
        input["messages"] = TemplateValue.List(messages);
        try
        {
            return template.Render(input).Text.Contains(what, StringComparison.Ordinal);
        }
        catch (ChatTemplateException)
        {
            return false; // the template says no in its own way
        }
    }
}
