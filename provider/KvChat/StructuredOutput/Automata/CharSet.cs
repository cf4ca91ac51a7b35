namespace KvChat.StructuredOutput.Automata;

/// <summary>A set of Unicode scalar values as ascending, separate, half-open ranges; surrogates are never in it.</summary>
internal sealed class CharSet
{
    /// <summary>One more than the greatest code point.</summary>
    public const int Limit = 0x110000;

    /// <summary>No character.</summary>
    public static readonly CharSet None = new([]);

    /// <summary>Every scalar value.</summary>
    public static readonly CharSet All = new([0, 0xD800, 0xE000, Limit]);

    private readonly int[] bounds;

    private CharSet(int[] bounds) => this.bounds = bounds;

    /// <summary>Start and end (exclusive) of each range, one after the other.</summary>
    public ReadOnlySpan<int> Bounds => bounds;

    public bool IsEmpty => bounds.Length == 0;

    public static CharSet Of(int character) => Range(character, character);

    /// <summary>The characters from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public static CharSet Range(int first, int last) => FromRanges([(first, last)]);

    /// <summary>The characters of a short text.</summary>
    public static CharSet OfAny(string characters) => FromRanges([.. characters.EnumerateRunes().Select(r => (r.Value, r.Value))]);

    /// <summary>The union of ranges in any order, ends included.</summary>
    public static CharSet FromRanges(IEnumerable<(int First, int Last)> ranges)
    {
        var result = new List<int>();
        foreach ((int first, int last) in ranges.Where(r => r.First <= r.Last).OrderBy(r => r.First))
        {
            if (result.Count > 0 && first <= result[^1])
                result[^1] = Math.Max(result[^1], last + 1);
            else
                result.AddRange([first, last + 1]);
        }

        var raw = new CharSet([.. result]);
        return result.Count > 0 && result[0] < 0xE000 && result[^1] > 0xD800 ? raw.Intersect(All) : raw;
    }

    public bool Contains(int character)
    {
        int at = Array.BinarySearch(bounds, character);
        return ((at >= 0 ? at : ~at - 1) & 1) == 0 && character < Limit && bounds.Length > 0 && character >= bounds[0];
    }

    public CharSet Union(CharSet other) => Combine(other, (a, b) => a || b);

    public CharSet Intersect(CharSet other) => Combine(other, (a, b) => a && b);

    public CharSet Except(CharSet other) => Combine(other, (a, b) => a && !b);

    public CharSet Complement() => All.Except(this);

    private CharSet Combine(CharSet other, Func<bool, bool, bool> keep)
    {
        var result = new List<int>();
        int i = 0, j = 0;
        bool inside = false;
        while (i < bounds.Length || j < other.bounds.Length)
        {
            int at = Math.Min(i < bounds.Length ? bounds[i] : Limit, j < other.bounds.Length ? other.bounds[j] : Limit);
            if (i < bounds.Length && bounds[i] == at)
                i++;
            if (j < other.bounds.Length && other.bounds[j] == at)
                j++;
            bool now = keep((i & 1) == 1, (j & 1) == 1);
            if (now != inside)
                result.Add(at);
            inside = now;
        }

        return new CharSet([.. result]);
    }
}
