using System.Globalization;
using System.Numerics;
using System.Text.Json;
using KvChat.Runtime.Text;

namespace KvChat.Templates;

/// <summary>
/// A value that a template can see. Every value knows its origin: <see cref="RenderedText.Template"/> (0) for what may form special
/// tokens, or a number from 1 up for content that came from outside; whatever the template makes of such content keeps the number.
/// Values given to a template are never changed by it.
/// </summary>
public abstract class TemplateValue
{
    private const int MaxJsonDepth = 512;
    private const int MaxJsonDigits = 1000;

    private protected TemplateValue(int origin)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(origin);
        Origin = origin;
    }

    /// <summary>None.</summary>
    public static TemplateValue Null { get; } = new NullValue(0);

    /// <summary>0 where all of the value is the template's, else the first other origin in it.</summary>
    internal int Origin { get; }

    /// <summary>Python's name of the type, for error messages.</summary>
    internal abstract string TypeName { get; }

    /// <summary>Python's truth of the value.</summary>
    internal virtual bool IsTrue => true;

    /// <summary>A text that came from outside, or with origin 0 one as trusted as the template.</summary>
    /// <param name="text">The characters.</param>
    /// <param name="origin">0 for the template's own, else a number from 1 that the caller gives to this piece of content.</param>
    public static TemplateValue Text(string text, int origin)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new TextValue(text, origin);
    }

    /// <summary>A text as trusted as the template itself, such as <c>bos_token</c>: it may form special tokens.</summary>
    public static TemplateValue Trusted(string text) => Text(text, RenderedText.Template);

    /// <summary>A text that was put together from several origins.</summary>
    public static TemplateValue Text(RenderedText text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TextValue.From(text.Text, [.. text.Runs]);
    }

    /// <summary>A list; <paramref name="origin"/> is that of the punctuation which printing it adds.</summary>
    public static TemplateValue List(IEnumerable<TemplateValue> items, int origin = RenderedText.Template)
    {
        ArgumentNullException.ThrowIfNull(items);
        return new ListValue([.. items], false, origin);
    }

    /// <summary>A map in the order given (a repeated key keeps its place and takes the later value); keys and punctuation are of one origin.</summary>
    public static TemplateValue Map(IEnumerable<KeyValuePair<string, TemplateValue>> entries, int origin = RenderedText.Template)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return MapValue.From(entries.Select(e => new KeyValuePair<TemplateValue, TemplateValue>(new TextValue(e.Key, origin), e.Value)), origin);
    }

    /// <summary>JSON from outside as a value, all of it (strings, keys, numbers, punctuation) of one origin.</summary>
    /// <exception cref="ArgumentException">Nested deeper than 512, or an integer of more than 1000 digits.</exception>
    public static TemplateValue FromJson(JsonElement json, int origin) => FromJson(json, origin, 0);

    /// <summary>A truth value of the template's own.</summary>
    public static implicit operator TemplateValue(bool value) => FromBoolean(value);

    /// <summary>A number of the template's own.</summary>
    public static implicit operator TemplateValue(long value) => FromInt64(value);

    /// <summary>A number of the template's own.</summary>
    public static implicit operator TemplateValue(double value) => FromDouble(value);

    /// <summary>A truth value of the template's own.</summary>
    public static TemplateValue FromBoolean(bool value) => BooleanValue.Of(value);

    /// <summary>A number of the template's own.</summary>
    public static TemplateValue FromInt64(long value) => new IntegerValue(value, 0);

    /// <summary>A number of the template's own.</summary>
    public static TemplateValue FromDouble(double value) => new FloatValue(value, 0);

    private static TemplateValue FromJson(JsonElement json, int origin, int depth)
    {
        if (depth > MaxJsonDepth)
            throw new ArgumentException($"The JSON is nested deeper than {MaxJsonDepth} levels.", nameof(json));
        return json.ValueKind switch
        {
            JsonValueKind.Object => MapValue.From(json.EnumerateObject().Select(p => new KeyValuePair<TemplateValue, TemplateValue>(
                new TextValue(p.Name, origin), FromJson(p.Value, origin, depth + 1))), origin),
            JsonValueKind.Array => new ListValue([.. json.EnumerateArray().Select(e => FromJson(e, origin, depth + 1))], false, origin),
            JsonValueKind.String => new TextValue(json.GetString()!, origin),
            JsonValueKind.Number => Number(json.GetRawText(), origin),
            JsonValueKind.True => new BooleanValue(true, origin),
            JsonValueKind.False => new BooleanValue(false, origin),
            _ => new NullValue(origin),
        };
    }

    private static TemplateValue Number(string digits, int origin)
    {
        if (digits.AsSpan().ContainsAny('.', 'e', 'E'))
            return new FloatValue(double.Parse(digits, CultureInfo.InvariantCulture), origin);
        if (digits.Length > MaxJsonDigits)
            throw new ArgumentException($"The JSON holds an integer of {digits.Length} digits; {MaxJsonDigits} are allowed.");
        return new IntegerValue(BigInteger.Parse(digits, CultureInfo.InvariantCulture), origin);
    }
}
