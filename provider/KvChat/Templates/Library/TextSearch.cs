namespace KvChat.Templates;

/// <summary>
/// Ordinal search whose time is bounded and paid for: short patterns by the platform's search, whose worst case is length times pattern,
/// long ones by Knuth, Morris and Pratt's.
/// </summary>
internal static class TextSearch
{
    private const int ShortPattern = 32;

    /// <summary>Code unit of the first occurrence within [start, end), or -1.</summary>
    internal static int First(string text, string pattern, int start, int end, Budget budget)
    {
        if (start > end || pattern.Length > end - start)
            return -1;
        if (pattern.Length <= ShortPattern)
        {
            int found = text.AsSpan(start, end - start).IndexOf(pattern, StringComparison.Ordinal);
            Pay(found < 0 ? end - start : found, pattern.Length, budget);
            return found < 0 ? -1 : found + start;
        }

        budget.Step((end - start + pattern.Length) / 4);
        return Scan(text.AsSpan(start, end - start), pattern) is int at and >= 0 ? at + start : -1;
    }

    /// <summary>Code unit of the last occurrence within [start, end), or -1.</summary>
    internal static int Last(string text, string pattern, int start, int end, Budget budget)
    {
        if (start > end || pattern.Length > end - start)
            return -1;
        if (pattern.Length <= ShortPattern)
        {
            int found = text.AsSpan(start, end - start).LastIndexOf(pattern, StringComparison.Ordinal);
            Pay(found < 0 ? end - start : end - start - found, pattern.Length, budget);
            return found < 0 ? -1 : found + start;
        }

        budget.Characters(end - start + pattern.Length);
        budget.Step((end - start + pattern.Length) / 4);
        char[] backwards = text.AsSpan(start, end - start).ToArray();
        char[] patternBackwards = pattern.ToCharArray();
        Array.Reverse(backwards);
        Array.Reverse(patternBackwards);
        int at = Scan(backwards, patternBackwards);
        return at < 0 ? -1 : end - at - pattern.Length;
    }

    /// <summary>Code units of the occurrences that do not overlap, from the left; an empty pattern occurs around every code point.</summary>
    internal static List<int> All(TextValue text, string pattern, long max, Budget budget)
    {
        List<int> places = [];
        if (pattern.Length == 0)
        {
            for (int i = 0; i <= text.Length && places.Count < max; i += i < text.Length ? text.WidthAt(i) : 1)
                places.Add(i);
            budget.Step(places.Count);
            return places;
        }

        for (int at = 0; places.Count < max; at = places[^1] + pattern.Length)
        {
            budget.Step();
            int found = First(text.Value, pattern, at, text.Length, budget);
            if (found < 0)
                break;
            places.Add(found);
        }

        return places;
    }

    private static void Pay(int length, int pattern, Budget budget) => budget.Step(((long)length * Math.Max(1, pattern) / 128) + 1);

    private static int Scan(ReadOnlySpan<char> text, ReadOnlySpan<char> pattern)
    {
        int[] back = new int[pattern.Length];
        for (int i = 1, k = 0; i < pattern.Length; i++)
        {
            while (k > 0 && pattern[i] != pattern[k])
                k = back[k - 1];
            back[i] = pattern[i] == pattern[k] ? ++k : k;
        }

        for (int i = 0, k = 0; i < text.Length; i++)
        {
            while (k > 0 && text[i] != pattern[k])
                k = back[k - 1];
            if (text[i] == pattern[k] && ++k == pattern.Length)
                return i - k + 1;
        }

        return -1;
    }
}
