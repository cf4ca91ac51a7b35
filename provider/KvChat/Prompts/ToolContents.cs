using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvChat.Templates;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>Calls of tools and their results, as templates see them.</summary>
internal sealed class ToolContents(TemplateTraits traits)
{
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);

    /// <summary>The calls of an assistant's message; null where it has none.</summary>
    public TemplateValue? Calls(ChatMessage message, Func<int> origin)
    {
        List<TemplateValue> calls = [];
        foreach (FunctionCallContent call in message.Contents.OfType<FunctionCallContent>())
        {
            _names[call.CallId] = call.Name;
            int from = origin();
            calls.Add(TemplateValue.Map(
            [
                new("id", TemplateValue.Text(Id(call.CallId), from)),
                new("type", TemplateValue.Trusted("function")),
                new("function", TemplateValue.Map([new("name", TemplateValue.Text(call.Name, from)), new("arguments", Arguments(call, from))])),
            ]));
        }

        return calls.Count == 0 ? null : TemplateValue.List(calls);
    }

    /// <summary>A message with the result of a call.</summary>
    public TemplateValue Result(FunctionResultContent result, int origin)
    {
        TemplateValue text = TemplateValue.Text(Printed(result), origin);
        List<KeyValuePair<string, TemplateValue>> entries =
        [
            new("role", TemplateValue.Trusted("tool")),
            new("content", traits.WantsParts ? TemplateValue.List([TemplateValue.Map([new("type", TemplateValue.Trusted("text")), new("text", text)])]) : text),
            new("tool_call_id", TemplateValue.Text(Id(result.CallId), origin)),
        ];
        if (_names.TryGetValue(result.CallId, out string? name))
            entries.Add(new("name", TemplateValue.Text(name, origin)));
        return TemplateValue.Map(entries);
    }

    /// <summary>A call in the default form.</summary>
    public static string AsText(FunctionCallContent call)
    {
        ToolCallSyntax form = ToolCallSyntax.Hermes;
        string name = JsonSerializer.Serialize(call.Name, ToolJson.Default.String);
        return $"{form.Begin}{form.Space}{{\"name\": {name}, \"{form.Arguments}\": {Compact(Json(call))}}}{form.Space}{form.End}";
    }

    private string Id(string id) => traits.NeedsShortIds ? ToolCallIds.Short(id) : id;

    private static JsonElement Json(FunctionCallContent call) => JsonSerializer.SerializeToElement(
        call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));

    private TemplateValue Arguments(FunctionCallContent call, int origin)
    {
        JsonElement json = Json(call);
        return traits.ToolCalls == ToolCallForm.Text ? TemplateValue.Text(Compact(json), origin) : TemplateValue.FromJson(json, origin);
    }

    /// <summary>What a call came to, as text.</summary>
    public static string Printed(FunctionResultContent result) => result.Result switch
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
