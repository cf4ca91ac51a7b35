using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvChat.Templates;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>Calls of tools and their results, as templates see them.</summary>
internal sealed class ToolContents(TemplateTraits traits)
{
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);

    /// <summary>The calls of an assistant's message; null where it has none.</summary>
    /// <exception cref="NotSupportedException">The template has no place for calls.</exception>
    public TemplateValue? Calls(ChatMessage message, Func<int> origin)
    {
        List<TemplateValue> calls = [];
        foreach (FunctionCallContent call in message.Contents.OfType<FunctionCallContent>())
        {
            if (traits.ToolCalls == ToolCallForm.None)
                throw new NotSupportedException($"The history holds a call of \"{call.Name}\"; the model's chat template has no place for tool calls.");
            _names[call.CallId] = call.Name;
            int from = origin();
            calls.Add(TemplateValue.Map(
            [
                new("id", TemplateValue.Text(call.CallId, from)),
                new("type", TemplateValue.Trusted("function")),
                new("function", TemplateValue.Map([new("name", TemplateValue.Text(call.Name, from)), new("arguments", Arguments(call, from))])),
            ]));
        }

        return calls.Count == 0 ? null : TemplateValue.List(calls);
    }

    /// <summary>A message with the result of a call.</summary>
    /// <exception cref="NotSupportedException">The template has no place for results.</exception>
    public TemplateValue Result(FunctionResultContent result, int origin)
    {
        if (!traits.HasToolRole)
            throw new NotSupportedException($"The history holds the result of call \"{result.CallId}\"; the model's chat template has no place for tool results.");
        TemplateValue text = TemplateValue.Text(Printed(result), origin);
        List<KeyValuePair<string, TemplateValue>> entries =
        [
            new("role", TemplateValue.Trusted("tool")),
            new("content", traits.WantsParts ? TemplateValue.List([TemplateValue.Map([new("type", TemplateValue.Trusted("text")), new("text", text)])]) : text),
            new("tool_call_id", TemplateValue.Text(result.CallId, origin)),
        ];
        if (_names.TryGetValue(result.CallId, out string? name))
            entries.Add(new("name", TemplateValue.Text(name, origin)));
        return TemplateValue.Map(entries);
    }

    private TemplateValue Arguments(FunctionCallContent call, int origin)
    {
        IDictionary<string, object?> arguments = call.Arguments ?? new Dictionary<string, object?>();
        JsonElement json = JsonSerializer.SerializeToElement(arguments, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));
        return traits.ToolCalls == ToolCallForm.Text ? TemplateValue.Text(Compact(json), origin) : TemplateValue.FromJson(json, origin);
    }

    private static string Printed(FunctionResultContent result) => result.Result switch
    {
        null => result.Exception is { } error ? $"Error: {error.Message}" : "null",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        JsonElement json => Compact(json),
        TextContent text => text.Text,
        object other => Compact(JsonSerializer.SerializeToElement(other, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object)))),
    };

    /// <summary>JSON on one line; the default options of chat contents indent, which would cost tokens.</summary>
    private static string Compact(JsonElement json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            json.WriteTo(writer);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
