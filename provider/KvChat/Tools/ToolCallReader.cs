using System.Text;
using System.Text.Json;
using KvChat.Answers;
using Microsoft.Extensions.AI;

namespace KvChat.Tools;

/// <summary>
/// Takes an answer's text as it comes and gives its contents: text, and calls once they are whole. Text that may be the beginning of a call is held back. What begins
/// like a call and is none is given as the text that it is. One per answer.
/// </summary>
/// <param name="syntax">How calls are written.</param>
/// <param name="stops">Ends the text; what stands within a call ends nothing. Null for none.</param>
internal sealed class ToolCallReader(ToolCallSyntax syntax, StopSequenceMatcher? stops = null)
{
    private readonly StringBuilder _held = new(), _blank = new();
    private bool _inCall;
    private bool _atStart = true;

    /// <summary>Whether any call was read.</summary>
    public bool HasCalls { get; private set; }

    /// <summary>Takes a piece and gives what is certain now.</summary>
    public List<AIContent> Append(string text)
    {
        _held.Append(text);
        var contents = new List<AIContent>();
        while (Advance(contents))
        {
        }

        return contents;
    }

    /// <summary>The answer is over: gives what was held back.</summary>
    public List<AIContent> Flush()
    {
        var contents = new List<AIContent>();
        string rest = _held.ToString();
        _held.Clear();
        if (_inCall && syntax.Separator.Length == 0 && Calls(rest) is { } calls)
        {
            contents.AddRange(calls);
            HasCalls = true;
        }
        else if (_inCall)
        {
            AddText(contents, syntax.Begin + rest, isEnd: true);
        }
        else
        {
            AddText(contents, rest, isEnd: true);
        }

        return contents;
    }

    private bool Advance(List<AIContent> contents)
    {
        string held = _held.ToString();
        if (_inCall)
            return EndCall(held, contents);
        if (syntax.Begin.Length == 0)
            return BeginAtStart(held, contents);
        int begin = held.IndexOf(syntax.Begin, StringComparison.Ordinal);
        int certain = begin >= 0 ? begin : held.Length - Beginning.HeldBack(held, syntax.Begin);
        AddText(contents, held[..certain], isEnd: false, isBeforeCall: begin >= 0);
        _held.Remove(0, begin >= 0 ? begin + syntax.Begin.Length : certain);
        _inCall = begin >= 0 && !IsStopped;
        return _inCall;
    }

    private bool IsStopped => stops is { IsStopped: true };

    /// <summary>Without marks an answer is a call if it starts with a brace.</summary>
    private bool BeginAtStart(string held, List<AIContent> contents)
    {
        string text = held.TrimStart();
        if (_atStart && text.Length == 0)
            return false;
        _inCall = _atStart && text[0] == '{';
        if (_inCall)
            return true;
        _atStart = false;
        AddText(contents, held, isEnd: false);
        _held.Clear();
        return false;
    }

    private bool EndCall(string held, List<AIContent> contents)
    {
        if (syntax.Separator.Length > 0)
            return EndNamedCall(held, contents);
        if (syntax.End.Length == 0)
            return false; // the end of the answer is the end of the call
        for (int end = held.IndexOf(syntax.End, StringComparison.Ordinal); end >= 0; end = held.IndexOf(syntax.End, end + 1, StringComparison.Ordinal))
        {
            // The mark may stand in a string of the arguments, where it ends nothing.
            if (Calls(held[..end]) is not { } calls)
                continue;
            contents.AddRange(calls);
            HasCalls = true;
            _inCall = false;
            _held.Remove(0, end + syntax.End.Length);
            return true;
        }

        return false;
    }

    /// <summary>Adds text up to a stop sequence. White space before a call, and behind one at the end, is no text.</summary>
    private void AddText(List<AIContent> contents, string text, bool isEnd, bool isBeforeCall = false)
    {
        if (IsStopped)
            return;
        if (stops is not null)
            text = stops.Append(text) + (isEnd || isBeforeCall ? stops.Flush() : "");
        isEnd |= IsStopped;
        text = _blank + text;
        _blank.Clear();
        int length = isEnd && !HasCalls ? text.Length : text.AsSpan().TrimEnd().Length;
        if (length > 0)
            contents.Add(new TextContent(isEnd ? text : text[..length]));
        if (!isEnd && !isBeforeCall)
            _blank.Append(text, length, text.Length - length);
    }

    /// <summary>A name and its arguments: the call ends with the JSON.</summary>
    private bool EndNamedCall(string held, List<AIContent> contents)
    {
        int at = held.IndexOf(syntax.Separator, StringComparison.Ordinal);
        if (at < 0 || !held.AsSpan(at).Contains('}'))
            return false;
        byte[] rest = Encoding.UTF8.GetBytes(held[(at + syntax.Separator.Length)..]);
        var reader = new Utf8JsonReader(rest, isFinalBlock: false, default);
        try
        {
            if (!JsonDocument.TryParseValue(ref reader, out JsonDocument? arguments))
                return false;
            using (arguments)
            {
                if (arguments.RootElement.ValueKind != JsonValueKind.Object)
                    return false;
                contents.Add(Content(held[..at].Trim(), arguments.RootElement));
            }
        }
        catch (JsonException)
        {
            return false;
        }

        HasCalls = true;
        _inCall = false;
        _held.Clear().Append(Encoding.UTF8.GetString(rest.AsSpan((int)reader.BytesConsumed)));
        return _held.Length > 0;
    }

    private List<FunctionCallContent>? Calls(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            JsonElement[] calls = root.ValueKind == JsonValueKind.Array ? [.. root.EnumerateArray()] : [root];
            var contents = new List<FunctionCallContent>();
            foreach (JsonElement call in calls)
            {
                if (Call(call) is not { } content)
                    return null;
                contents.Add(content);
            }

            return contents.Count == 0 ? null : contents;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private FunctionCallContent? Call(JsonElement call)
    {
        if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out JsonElement name) || name.ValueKind != JsonValueKind.String)
            return null;
        if (!call.TryGetProperty(syntax.Arguments, out JsonElement arguments) || arguments.ValueKind != JsonValueKind.Object)
            return null;
        return Content(name.GetString()!, arguments);
    }

    private static FunctionCallContent Content(string name, JsonElement arguments)
    {
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (JsonProperty argument in arguments.EnumerateObject())
            values[argument.Name] = argument.Value.Clone();
        return new FunctionCallContent(ToolCallIds.New(), name, values);
    }
}
