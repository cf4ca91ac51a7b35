using System.Globalization;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>Times with second 60, which exists at 23:59 UTC alone: so the offset decides which hour and minute it is here (RFC 3339, appendix D).</summary>
internal static class LeapSeconds
{
    private const int MinutesOfDay = 24 * 60;

    private const int LastMinute = MinutesOfDay - 1;

    public static Language Language(LanguageFactory f)
    {
        Language digit = f.Set(CharacterClasses.Digit);
        Language second = f.Concat(f.Text(":60"), f.Optional(f.Concat(f.Text("."), f.Plus(digit))));
        var all = new List<Language>();
        for (int minute = 0; minute < MinutesOfDay; minute++)
        {
            // Local time less offset is 23:59.
            int ahead = (minute - LastMinute + MinutesOfDay) % MinutesOfDay, behind = (LastMinute - minute) % MinutesOfDay;
            Language offset = f.Or(f.Text("+" + Clock(ahead)), f.Text("-" + Clock(behind)), minute == LastMinute ? f.Set(CharSet.OfAny("zZ")) : f.Nothing);
            all.Add(f.Concat(f.Text(Clock(minute)), second, offset));
        }

        return f.Or([.. all]);
    }

    private static string Clock(int minutes) => string.Create(CultureInfo.InvariantCulture, $"{minutes / 60:00}:{minutes % 60:00}");
}
