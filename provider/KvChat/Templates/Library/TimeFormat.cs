using System.Globalization;
using System.Text;

namespace KvChat.Templates;

/// <summary>Python's <c>strftime</c> in the C locale.</summary>
internal static class TimeFormat
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <exception cref="TemplateFault">An unknown code.</exception>
    internal static TextValue Format(TextValue format, DateTimeOffset time, Budget budget)
    {
        TextBuilder target = new(budget, "strftime_now");
        for (int i = 0; i < format.Length; i++)
        {
            if (format.Value[i] != '%' || i + 1 == format.Length)
            {
                target.Append(format, i, 1);
                continue;
            }

            i++;
            bool unpadded = format.Value[i] == '-' && i + 1 < format.Length;
            char code = format.Value[unpadded ? ++i : i];
            string written = Write(code, time);
            // The glibc extension %-d, which templates do use: no padding.
            if (unpadded && written.Length > 1)
                written = written.TrimStart('0', ' ') is { Length: > 0 } rest ? rest : "0";
            target.Append(written, format.OriginAt(i));
        }

        return target.ToText();
    }

    private static string Write(char code, DateTimeOffset time) => code switch
    {
        'Y' => time.Year.ToString(Culture),
        'C' => (time.Year / 100).ToString("00", Culture),
        'y' => (time.Year % 100).ToString("00", Culture),
        'm' => time.Month.ToString("00", Culture),
        'd' => time.Day.ToString("00", Culture),
        'e' => time.Day.ToString(Culture).PadLeft(2),
        'H' => time.Hour.ToString("00", Culture),
        'k' => time.Hour.ToString(Culture).PadLeft(2),
        'I' => Hour12(time).ToString("00", Culture),
        'l' => Hour12(time).ToString(Culture).PadLeft(2),
        'M' => time.Minute.ToString("00", Culture),
        'S' => time.Second.ToString("00", Culture),
        'f' => (time.Ticks % TimeSpan.TicksPerSecond / 10).ToString("000000", Culture),
        'p' => time.Hour < 12 ? "AM" : "PM",
        'P' => time.Hour < 12 ? "am" : "pm",
        'A' => time.ToString("dddd", Culture),
        'a' => time.ToString("ddd", Culture),
        'B' => time.ToString("MMMM", Culture),
        'b' or 'h' => time.ToString("MMM", Culture),
        'j' => time.DayOfYear.ToString("000", Culture),
        'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(Culture),
        'w' => ((int)time.DayOfWeek).ToString(Culture),
        'U' => ((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7).ToString("00", Culture),
        'W' => ((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7).ToString("00", Culture),
        'V' => ISOWeek.GetWeekOfYear(time.DateTime).ToString("00", Culture),
        'G' => ISOWeek.GetYear(time.DateTime).ToString(Culture),
        's' => time.ToUnixTimeSeconds().ToString(Culture),
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        'z' or 'Z' => string.Empty, // the clock of the reference has no time zone
        _ => Compound(code, time),
    };

    private static string Compound(char code, DateTimeOffset time)
    {
        string? parts = code switch { 'D' or 'x' => "m/d/y", 'F' => "Y-m-d", 'T' or 'X' => "H:M:S", 'R' => "H:M", 'r' => "I:M:S p", 'c' => "a b e H:M:S Y", _ => null };
        if (parts is null)
            throw new TemplateFault("strftime_now", $"'strftime_now' has no code '%{code}'");
        StringBuilder written = new();
        foreach (char part in parts)
            written.Append(char.IsAsciiLetter(part) ? Write(part, time) : part.ToString());
        return written.ToString();
    }

    private static int Hour12(DateTimeOffset time) => time.Hour % 12 == 0 ? 12 : time.Hour % 12;
}
