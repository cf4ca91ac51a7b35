using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvChat.Requests;
using KvChat.Runtime.Text;
using KvChat.Templates;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>Calls of tools and their results, as templates see them.</summary>
internal sealed class ToolContents(TemplateTraits traits)
{
    private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal);

    /// <summary>The calls of an assistant's message, as lists for as many messages as the template needs; none where it has no calls.</summary>
    public List<TemplateValue> Calls(ChatMessage message, Func<int> origin)
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

        return calls.Count == 0 ? [] : traits.TakesOneCall ? [.. calls.Select(c => TemplateValue.List([c]))] : [TemplateValue.List(calls)];
    }

    /// <summary>A message with the result of a call.</summary>
    public TemplateValue Result(FunctionResultContent result, int origin)
    {
        PieceText piece = new();
        AddResult(piece, result, origin);
        TemplateValue text = piece.ToValue(asParts: false);
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

    /// <summary>Adds the result of a call as its text, between marks where the listing of the tools has told the model of them.</summary>
    public void AddResult(PieceText to, FunctionResultContent result, int origin)
    {
        bool marked = traits is { ListsTools: true, ToolCalls: ToolCallForm.None };
        if (marked)
            to.Add(ToolListing.ResultBegin, RenderedText.Template);
        to.Add(Printed(result), origin);
        if (marked)
            to.Add(ToolListing.ResultEnd, RenderedText.Template);
    }

    /// <summary>Adds a message's calls to its text, for a template without a place for them. The marks count as the template's, since they may be special tokens.</summary>
    public void AddCalls(PieceText to, ChatMessage message, Func<FunctionCallContent, int> origin)
    {
        ToolCallSyntax form = traits.ToolSyntax;
        FunctionCallContent[] calls = [.. message.Contents.OfType<FunctionCallContent>()];
        for (int i = 0; i < calls.Length; i++)
        {
            _names[calls[i].CallId] = calls[i].Name;
            bool begins = i == 0 || !form.IsArray, ends = i == calls.Length - 1 || !form.IsArray;
            string before = begins ? (to.IsEmpty ? "" : "\n") + form.Begin + form.Space + (form.IsArray ? "[" : "") : ", ";
            to.Add(before, RenderedText.Template);
            string name = ToolJson.Quoted(calls[i].Name);
            to.Add($"{{\"name\": {name}, \"{form.Arguments}\": {Compact(Json(calls[i]))}}}", origin(calls[i]));
            if (ends)
                to.Add((form.IsArray ? "]" : "") + form.Space + form.End, RenderedText.Template);
        }
    }

    private string Id(string id) => traits.NeedsShortIds ? ToolCallIds.Short(id) : id;

    private static JsonElement Json(FunctionCallContent call) =>
        OutsideJson.Write(call.Arguments ?? new Dictionary<string, object?>(), typeof(IDictionary<string, object?>), $"The arguments of the call of \"{call.Name}\" ({call.CallId})");

    private TemplateValue Arguments(FunctionCallContent call, int origin)
    {
        JsonElement json = Json(call);
        return traits.ToolCalls == ToolCallForm.Text ? TemplateValue.Text(Compact(json), origin) : TemplateValue.FromJson(json, origin);
    }

    /// <summary>What a call came to, as text.</summary>
    /// <exception cref="ArgumentException">It cannot be written as JSON.</exception>
    public static string Printed(FunctionResultContent result)
    {
        string what = $"The result of call \"{result.CallId}\"";
        if (result.Result is JsonElement given)
            OutsideJson.Check(given, what);
        return Printed(result, what);
    }

    private static string Printed(FunctionResultContent result, string what) => result.Result switch
    {
        null => result.Exception is { } error ? $"Error: {error.Message}" : "null",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        JsonElement json => Compact(json),
        TextContent text => text.Text,
        object other => Compact(OutsideJson.Write(other, typeof(object), what)),
    };

    /// <summary>JSON on one line; the default options of chat contents indent, which would cost tokens.</summary>
    internal static string Compact(JsonElement json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            json.WriteTo(writer);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
