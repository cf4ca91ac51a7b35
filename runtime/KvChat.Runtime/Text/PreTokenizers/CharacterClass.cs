using System.Globalization;
using System.Text;

namespace KvChat.Runtime.Text.PreTokenizers;

/// <summary>The classes of characters that pre-tokenisers tell apart. <see cref="None"/> is every other character.</summary>
[Flags]
internal enum CharacterClass : byte
{
    None = 0,

    /// <summary><c>\p{L}</c></summary>
    Letter = 1,

    /// <summary><c>\p{N}</c></summary>
    Number = 2,

    /// <summary><c>\s</c>: the Unicode property White_Space.</summary>
    Space = 4,

    /// <summary>Letters that are not lower case, and marks: <c>[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]</c>.</summary>
    NotLower = 8,

    /// <summary>Letters that are not upper or title case, and marks: <c>[\p{Ll}\p{Lm}\p{Lo}\p{M}]</c>.</summary>
    NotUpper = 16,

    /// <summary><c>\p{P}</c></summary>
    Punctuation = 32,
}

/// <summary>Classes of whole code points; UTF-16 is only how the text is stored.</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] BasicPlane = MakeBasicPlane();

    /// <summary>Class and length in UTF-16 code units of the character at an index; an unpaired surrogate is U+FFFD, hence no letter.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        char c = text[index];
        length = 1;
        if (!char.IsSurrogate(c))
            return BasicPlane[c];
        if (Rune.DecodeFromUtf16(text[index..], out Rune rune, out int taken) != System.Buffers.OperationStatus.Done)
            return CharacterClass.None;
        length = taken;
        return Of(Rune.GetUnicodeCategory(rune));
    }

    /// <summary>Index of the first character from <paramref name="start"/> on whose classes, of those in <paramref name="mask"/>, are not as told.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="mask">The classes that matter.</param>
    /// <param name="wanted">Whether each character of the run has one of them (true) or none (false).</param>
    public static int EndOfRun(ReadOnlySpan<char> text, int start, CharacterClass mask, bool wanted)
    {
        int i = start;
        while (i < text.Length && (At(text, i, out int length) & mask) != 0 == wanted)
            i += length;
        return i;
    }

    private static CharacterClass[] MakeBasicPlane()
    {
        var classes = new CharacterClass[char.MaxValue + 1];
        for (int c = 0; c < classes.Length; c++)
            classes[c] = Of(CharUnicodeInfo.GetUnicodeCategory((char)c)) | (char.IsWhiteSpace((char)c) ? CharacterClass.Space : CharacterClass.None);
        return classes;
    }

    private static CharacterClass Of(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharacterClass.Letter | CharacterClass.NotLower,
        UnicodeCategory.LowercaseLetter => CharacterClass.Letter | CharacterClass.NotUpper,
        UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterClass.Letter | CharacterClass.NotLower | CharacterClass.NotUpper,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            => CharacterClass.NotLower | CharacterClass.NotUpper,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
        UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
            or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation
            or UnicodeCategory.OtherPunctuation => CharacterClass.Punctuation,
        _ => CharacterClass.None,
    };
}
