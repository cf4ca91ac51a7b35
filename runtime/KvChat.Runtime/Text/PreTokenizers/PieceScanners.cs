using static KvChat.Runtime.Text.PreTokenizers.CharacterClass;
using static KvChat.Runtime.Text.PreTokenizers.CharacterClasses;

namespace KvChat.Runtime.Text.PreTokenizers;

/// <summary>Length (at least 1) of the first piece of a text that is not empty.</summary>
internal delegate int PieceScanner(ReadOnlySpan<char> text);

/// <summary>
/// The patterns of pre-tokenisers, scanned by hand: each method does what a backtracking matcher would do with the pattern in its summary, in
/// time linear in what it looks at. None of them looks behind, so the rest of a text can be scanned by itself.
/// </summary>
internal static class PieceScanners
{
    /// <summary><c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c></summary>
    public static int Gpt2(ReadOnlySpan<char> text)
    {
        int contraction = Contraction(text, ignoreCase: false);
        if (contraction > 0)
            return contraction;
        int start = text[0] == ' ' && text.Length > 1 ? 1 : 0;
        CharacterClass first = At(text, start, out _);
        if ((first & Space) != 0)
            return WhiteSpace(text);
        return (first & (Letter | Number)) == 0
            ? EndOfRun(text, start, Letter | Number | Space, wanted: false)
            : EndOfRun(text, start, first & (Letter | Number), wanted: true);
    }

    /// <summary>
    /// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>
    /// </summary>
    public static int Llama3(ReadOnlySpan<char> text, int mostDigits)
    {
        int contraction = Contraction(text, ignoreCase: true);
        if (contraction > 0)
            return contraction;
        CharacterClass first = At(text, 0, out int length);
        int start = (first & (Letter | Number)) == 0 && text[0] is not ('\r' or '\n') ? length : 0;
        if (start < text.Length && (At(text, start, out _) & Letter) != 0)
            return EndOfRun(text, start, Letter, wanted: true);
        return NumberOrRest(text, first, mostDigits, slash: false);
    }

    /// <summary>
    /// With U = <c>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</c>, V = <c>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</c>, W = <c>[^\r\n\p{L}\p{N}]?</c>:
    /// <c>WU*V+S|WU+V*S|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>, where S is empty or <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)?</c>.
    /// </summary>
    public static int Cased(ReadOnlySpan<char> text, int mostDigits, bool contractionAfter)
    {
        CharacterClass first = At(text, 0, out int length);
        // A mark can be W's one character as well as the first of U or V, so both ways have to be tried, in this order.
        int start = (first & (Letter | Number)) == 0 && text[0] is not ('\r' or '\n') ? length : 0;
        int end = LowerWord(text, start);
        if (end == 0 && start > 0)
            end = LowerWord(text, 0);
        if (end == 0)
            end = UpperWord(text, start);
        if (end == 0 && start > 0)
            end = UpperWord(text, 0);
        if (end == 0)
            return NumberOrRest(text, first, mostDigits, slash: true);
        return contractionAfter && end < text.Length ? end + Contraction(text[end..], ignoreCase: true) : end;
    }

    /// <summary><c>\p{N}</c> isolated: one number, or all up to the next one.</summary>
    public static int SingleNumbers(ReadOnlySpan<char> text) =>
        (At(text, 0, out int length) & Number) != 0 ? length : EndOfRun(text, 0, Number, wanted: false);

    /// <summary><c>\p{N}+</c> isolated.</summary>
    public static int NumberRuns(ReadOnlySpan<char> text) => EndOfRun(text, 0, Number, (At(text, 0, out _) & Number) != 0);

    /// <summary><c>[0-9][0-9][0-9]</c> isolated.</summary>
    public static int ThreeDigits(ReadOnlySpan<char> text)
    {
        int run = 0;
        for (int i = 0; i < text.Length; i++)
        {
            run = char.IsAsciiDigit(text[i]) ? run + 1 : 0;
            if (run == 3)
                return i == 2 ? 3 : i - 2;
        }

        return text.Length;
    }

    /// <summary><c>[\p{P}\$\+&lt;=&gt;\^~\|]+</c> isolated.</summary>
    public static int PunctuationRuns(ReadOnlySpan<char> text)
    {
        bool wanted = IsPunctuation(text, 0, out int i);
        while (i < text.Length && IsPunctuation(text, i, out int length) == wanted)
            i += length;
        return i;
    }

    private static bool IsPunctuation(ReadOnlySpan<char> text, int index, out int length) =>
        (At(text, index, out length) & Punctuation) != 0 || text[index] is '$' or '+' or '<' or '=' or '>' or '^' or '~' or '|';

    /// <summary>End of <c>U*V+</c>, or 0. U* takes all it can; where no V follows it gives back as far as the last character that is both.</summary>
    private static int LowerWord(ReadOnlySpan<char> text, int start)
    {
        int i = start;
        int both = 0;
        while (i < text.Length)
        {
            CharacterClass c = At(text, i, out int length);
            if ((c & NotLower) == 0)
                break;
            i += length;
            if ((c & NotUpper) != 0)
                both = i;
        }

        int end = EndOfRun(text, i, NotUpper, wanted: true);
        return end > i ? end : both;
    }

    /// <summary>End of <c>U+V*</c>, or 0.</summary>
    private static int UpperWord(ReadOnlySpan<char> text, int start)
    {
        int i = EndOfRun(text, start, NotLower, wanted: true);
        return i == start ? 0 : EndOfRun(text, i, NotUpper, wanted: true);
    }

    /// <summary><c>\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>, the slash only where asked for.</summary>
    private static int NumberOrRest(ReadOnlySpan<char> text, CharacterClass first, int mostDigits, bool slash)
    {
        int i = 0;
        if ((first & Number) != 0)
        {
            for (int n = 0; n < mostDigits && i < text.Length && (At(text, i, out int length) & Number) != 0; n++)
                i += length;
            return i;
        }

        int start = text[0] == ' ' ? 1 : 0;
        int end = EndOfRun(text, start, Letter | Number | Space, wanted: false);
        if (end == start)
            return LinesOrWhiteSpace(text);
        while (end < text.Length && (text[end] is '\r' or '\n' || (slash && text[end] == '/')))
            end++;
        return end;
    }

    /// <summary><c>\s*[\r\n]+|\s+(?!\S)|\s+</c>: up to the last line end in the white space, where there is one.</summary>
    private static int LinesOrWhiteSpace(ReadOnlySpan<char> text)
    {
        int end = EndOfRun(text, 0, Space, wanted: true);
        int line = text[..end].LastIndexOfAny('\r', '\n');
        return line >= 0 ? line + 1 : WhiteSpace(text, end);
    }

    private static int WhiteSpace(ReadOnlySpan<char> text) => WhiteSpace(text, EndOfRun(text, 0, Space, wanted: true));

    /// <summary><c>\s+(?!\S)|\s+</c>: the last white space before something else is left to it, unless it is the only one (all are one code unit).</summary>
    private static int WhiteSpace(ReadOnlySpan<char> text, int end) => end == text.Length || end == 1 ? end : end - 1;

    /// <summary>Length of <c>'s|'t|'re|'ve|'m|'ll|'d</c> at the beginning, or 0. Without case the long s (U+017F) is an s too.</summary>
    private static int Contraction(ReadOnlySpan<char> text, bool ignoreCase)
    {
        if (text[0] != '\'' || text.Length < 2)
            return 0;
        char second = Fold(text[1], ignoreCase);
        if (second is 's' or 't' or 'm' or 'd')
            return 2;
        if (text.Length < 3)
            return 0;
        return (second, Fold(text[2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}
