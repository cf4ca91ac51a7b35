using System.Text;
using System.Text.Json;

namespace KvChat.Tools;

/// <summary>How a model writes its calls. Which one it is shows in what its chat template makes of a call in the history.</summary>
/// <param name="Name">For errors.</param>
/// <param name="Begin">Text before the JSON of a call; empty where an answer that starts with a brace is a call.</param>
/// <param name="End">Text after it; empty where it goes on to the end of the answer.</param>
/// <param name="IsArray">Whether calls stand in one JSON array, rather than each between its own marks.</param>
/// <param name="Arguments">Name of the property with the arguments.</param>
internal sealed record ToolCallSyntax(string Name, string Begin, string End, bool IsArray, string Arguments)
{
    /// <summary>Between the marks and the JSON.</summary>
    public string Space { get; init; } = "";

    /// <summary>Between a function's name, which then stands before its arguments and not within JSON, and these; empty where both are properties of one object.</summary>
    public string Separator { get; init; } = "";

    /// <summary>Hermes, Qwen, SmolLM3, and the default for templates without tools, or with a form that is not known: <c>&lt;tool_call&gt;{"name": …, "arguments": …}&lt;/tool_call&gt;</c>.</summary>
    public static ToolCallSyntax Hermes { get; } = new("Hermes", "<tool_call>", "</tool_call>", false, "arguments") { Space = "\n" };

    /// <summary>Mistral: <c>[TOOL_CALLS][{"name": …, "arguments": …}]</c>.</summary>
    public static ToolCallSyntax Mistral { get; } = new("Mistral", "[TOOL_CALLS]", "", true, "arguments");

    /// <summary>Later models of Mistral, such as Devstral: <c>[TOOL_CALLS]name[ARGS]{…}</c>, one after the other.</summary>
    public static ToolCallSyntax Devstral { get; } = new("Devstral", "[TOOL_CALLS]", "", false, "arguments") { Separator = "[ARGS]" };

    /// <summary>Phi-4-mini: <c>&lt;|tool_call|&gt;[{"name": …, "arguments": …}]&lt;|/tool_call|&gt;</c>.</summary>
    public static ToolCallSyntax Phi { get; } = new("Phi", "<|tool_call|>", "<|/tool_call|>", true, "arguments");

    /// <summary>Llama 3.1 and later: <c>{"name": …, "parameters": …}</c> as the whole answer.</summary>
    public static ToolCallSyntax Llama { get; } = new("Llama", "", "", false, "parameters");

    private static readonly ToolCallSyntax[] s_known = [Phi, Mistral, Devstral, Hermes, Llama];

    /// <summary>The marks of the form, in the order in which they stand.</summary>
    public IEnumerable<string> Marks => ((string[])[Begin, Separator, End]).Where(m => m.Length > 0);

    /// <summary>Finds the syntax of a rendered conversation that ends with a call.</summary>
    /// <param name="rendered">What the template made of it.</param>
    /// <param name="function">The function that was called.</param>
    /// <returns>Null where the call stands in no form that is known.</returns>
    public static ToolCallSyntax? Find(string rendered, string function)
    {
        foreach (ToolCallSyntax syntax in s_known)
        {
            int at = syntax.Begin.Length == 0
                ? rendered.LastIndexOf("{\"name\"", StringComparison.Ordinal)
                : rendered.LastIndexOf(syntax.Begin, StringComparison.Ordinal);
            if (at < 0)
                continue;
            int json = at + syntax.Begin.Length;
            while (json < rendered.Length && char.IsWhiteSpace(rendered[json]))
                json++;
            if (syntax.Separator.Length > 0)
            {
                if (rendered.AsSpan(json).StartsWith(function + syntax.Separator + "{", StringComparison.Ordinal))
                    return syntax;
                continue;
            }

            if (syntax.Calls(rendered[json..]) is { } names && names.SequenceEqual([function]))
                return syntax with { Space = rendered[(at + syntax.Begin.Length)..json] };
        }

        return null;
    }

    /// <summary>The names of the calls that a text begins with; null where it does not begin with calls.</summary>
    /// <param name="text">JSON, with anything behind it.</param>
    private List<string>? Calls(string text)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(text), isFinalBlock: false, default);
        try
        {
            if (!JsonDocument.TryParseValue(ref reader, out JsonDocument? document))
                return null;
            using (document)
                return Names(document.RootElement);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private List<string>? Names(JsonElement json)
    {
        if (json.ValueKind != (IsArray ? JsonValueKind.Array : JsonValueKind.Object))
            return null;
        var names = new List<string>();
        foreach (JsonElement call in IsArray ? json.EnumerateArray().ToArray() : [json])
        {
            if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String || !call.TryGetProperty(Arguments, out _))
                return null;
            names.Add(name.GetString()!);
        }

        return names;
    }
}
