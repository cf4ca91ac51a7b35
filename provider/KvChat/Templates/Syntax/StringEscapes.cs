using System.Globalization;
using System.Text;

namespace KvChat.Templates;

/// <summary>Python's escapes in string literals. An unknown one keeps its backslash.</summary>
internal static class StringEscapes
{
    internal static string Decode(ReadOnlySpan<char> literal)
    {
        if (!literal.Contains('\\'))
            return literal.ToString();
        StringBuilder text = new();
        for (int i = 0; i < literal.Length; i++)
        {
            if (literal[i] != '\\' || i + 1 == literal.Length)
            {
                text.Append(literal[i]);
                continue;
            }

            i++;
            switch (literal[i])
            {
                case '\n':
                    break;
                case 'x':
                    i = AppendHex(literal, i, 2, text);
                    break;
                case 'u':
                    i = AppendHex(literal, i, 4, text);
                    break;
                case 'U':
                    i = AppendHex(literal, i, 8, text);
                    break;
                case 'N':
                    throw new TemplateFault("\\N", "characters by name are not supported; write \\u and four hexadecimal digits");
                case >= '0' and <= '7':
                    i = AppendOctal(literal, i, text);
                    break;
                default:
                    AppendSimple(literal[i], text);
                    break;
            }
        }

        return text.ToString();
    }

    private static void AppendSimple(char c, StringBuilder text)
    {
        int known = "\\'\"abfnrtv".IndexOf(c, StringComparison.Ordinal);
        if (known < 0)
            text.Append('\\').Append(c);
        else
            text.Append("\\'\"\a\b\f\n\r\t\v"[known]);
    }

    private static int AppendOctal(ReadOnlySpan<char> literal, int at, StringBuilder text)
    {
        int value = 0, end = at;
        while (end < literal.Length && end < at + 3 && literal[end] is >= '0' and <= '7')
            value = (value * 8) + (literal[end++] - '0');
        text.Append((char)value);
        return end - 1;
    }

    private static int AppendHex(ReadOnlySpan<char> literal, int at, int digits, StringBuilder text)
    {
        if (at + digits >= literal.Length
            || !uint.TryParse(literal.Slice(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            || value > 0x10ffff)
        {
            throw new TemplateFault("\\" + literal[at], $"\\{literal[at]} in a string needs {digits} hexadecimal digits of a character");
        }

        if (value < 0x10000)
            text.Append((char)value);
        else
            text.Append(char.ConvertFromUtf32((int)value));
        return at + digits;
    }
}
