using System.Text.Json;
using KvChat.Answers;
using KvChat.Templates;
using KvChat.Tools;

namespace KvChat.Prompts;

/// <summary>Finds out what a template can do by rendering small conversations and looking for what they said.</summary>
internal sealed class TemplateProbe(ChatTemplate template, Func<TemplateInput> variables)
{
    private const string Word = "kvprobe", Function = "look", ShortId = "probe0001", LongId = "call_probe-0000001";

    public TemplateTraits Traits(string source)
    {
        bool wantsParts = !Shows(Word, Message("user", Word)) && Shows(Word, Parts("user", Word));
        ToolCallForm calls = CallForm(wantsParts);
        bool showsTools = ShowsTools(wantsParts), inSystem = !showsTools && ToolsInSystemMessage(wantsParts);
        ToolCallSyntax? syntax = inSystem && calls == ToolCallForm.None ? ToolCallSyntax.Phi : Syntax(wantsParts, calls, showsTools);
        bool isKnown = syntax is not null;
        if (!isKnown)
            (calls, showsTools, inSystem) = (ToolCallForm.None, false, false); // its own words would ask for calls that nobody could read: the default's take their place
        return new TemplateTraits
        {
            WantsParts = wantsParts,
            HasSystemRole = Shows(Word, Say(wantsParts, "system", Word), Say(wantsParts, "user", "x")),
            ToolCalls = calls,
            ShowsTools = showsTools,
            ToolsInSystemMessage = inSystem,
            TakesOneCall = calls != ToolCallForm.None && Render(Call(wantsParts, ArgumentsOf(calls))) is not null && Render(Call(wantsParts, ArgumentsOf(calls), count: 2)) is null,
            Alternates = Render(Say(wantsParts, "user", "x"), Say(wantsParts, "assistant", "y"), Say(wantsParts, "user", "z")) is not null
                && Render(Say(wantsParts, "user", "x"), Say(wantsParts, "user", "z")) is null,
            ToolSyntax = syntax ?? ToolCallSyntax.Hermes,
            NeedsShortIds = calls != ToolCallForm.None && Render(Call(wantsParts, ArgumentsOf(calls), LongId)) is null,
            Thinks = source.Contains(ReasoningReader.Close, StringComparison.Ordinal),
            HasToolRole = isKnown && (Shows(Word, [.. Call(wantsParts, Arguments()), ToolResult(wantsParts)]) || Shows(Word, [.. Call(wantsParts, TemplateValue.Trusted("{}")), ToolResult(wantsParts)])),
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

    private static TemplateValue ArgumentsOf(ToolCallForm form) => form == ToolCallForm.Text ? TemplateValue.Trusted("{\"" + Word + "\": 1}") : Arguments();

    /// <summary>What calls look like; the default where a template knows neither tools nor calls, and null where it has a form of its own that is not known here.</summary>
    private ToolCallSyntax? Syntax(bool wantsParts, ToolCallForm form, bool showsTools)
    {
        if (form == ToolCallForm.None)
            return showsTools ? null : ToolCallSyntax.Hermes;
        return Render(Call(wantsParts, ArgumentsOf(form))) is { } text ? ToolCallSyntax.Find(text, Function) : null;
    }

    private bool ShowsTools(bool wantsParts) => Render([Say(wantsParts, "user", "x")], Tools())?.Contains(Word, StringComparison.Ordinal) == true;

    private bool ToolsInSystemMessage(bool wantsParts)
    {
        TemplateValue system = TemplateValue.Map(
        [
            new("role", TemplateValue.Trusted("system")),
            new("content", wantsParts ? TextParts("x") : TemplateValue.Trusted("x")),
            new("tools", TemplateValue.Trusted(Word)),
        ]);
        return Shows(Word, system, Say(wantsParts, "user", "x"));
    }

    private static TemplateValue Tools()
    {
        using JsonDocument tools = JsonDocument.Parse(
            "[{\"type\": \"function\", \"function\": {\"name\": \"" + Word + "\", \"description\": \"Looks.\", \"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"string\", \"description\": \"What.\"}}, \"required\": [\"x\"]}}}]");
        return TemplateValue.FromJson(tools.RootElement, 0);
    }

    private static TemplateValue[] Call(bool wantsParts, TemplateValue arguments, string id = ShortId, int count = 1)
    {
        TemplateValue call = TemplateValue.Map(
        [
            new("id", TemplateValue.Trusted(id)),
            new("type", TemplateValue.Trusted("function")),
            new("function", TemplateValue.Map([new("name", TemplateValue.Trusted(Function)), new("arguments", arguments)])),
        ]);
        TemplateValue assistant = TemplateValue.Map(
        [
            new("role", TemplateValue.Trusted("assistant")), new("content", TemplateValue.Trusted("")), new("tool_calls", TemplateValue.List(Enumerable.Repeat(call, count))),
        ]);
        return [Say(wantsParts, "user", "x"), assistant];
    }

    private static TemplateValue ToolResult(bool wantsParts) => TemplateValue.Map(
    [
        new("role", TemplateValue.Trusted("tool")),
        new("content", wantsParts ? TextParts(Word) : TemplateValue.Trusted(Word)),
        new("tool_call_id", TemplateValue.Trusted(ShortId)),
        new("name", TemplateValue.Trusted(Function)),
    ]);

    private static TemplateValue Say(bool wantsParts, string role, string text) => wantsParts ? Parts(role, text) : Message(role, text);

    private static TemplateValue Message(string role, string text) =>
        TemplateValue.Map([new("role", TemplateValue.Trusted(role)), new("content", TemplateValue.Trusted(text))]);

    private static TemplateValue Parts(string role, string text) =>
        TemplateValue.Map([new("role", TemplateValue.Trusted(role)), new("content", TextParts(text))]);

    private static TemplateValue TextParts(string text) =>
        TemplateValue.List([TemplateValue.Map([new("type", TemplateValue.Trusted("text")), new("text", TemplateValue.Trusted(text))])]);

    private bool Shows(string what, params TemplateValue[] messages) => Render(messages)?.Contains(what, StringComparison.Ordinal) == true;

    /// <summary>The conversation as the template has it, with tools where it goes through them in any case; null where it says no in its own way.</summary>
    private string? Render(params TemplateValue[] messages) => Render(messages, null) ?? Render(messages, Tools());

    private string? Render(TemplateValue[] messages, TemplateValue? tools)
    {
        TemplateInput input = variables();
        input["messages"] = TemplateValue.List(messages);
        if (tools is not null)
            PromptBuilder.AddTools(input, tools);
        try
        {
            return template.Render(input).Text;
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }
}
