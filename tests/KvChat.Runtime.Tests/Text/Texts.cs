using FsCheck;
using FsCheck.Fluent;

namespace KvChat.Runtime.Tests.Text;

/// <summary>Generators of texts that are hard on tokenisers.</summary>
internal static class Texts
{
    private static readonly string[] Awkward =
    [
        " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u0085", "\u2028", "\u3000", "'s", "'LL", "'", "a", "B", "é", "漢", "字", "ǅ", "ʰ", "\u0301", "\u0903",
        "1", "23", "٣", "Ⅷ", "½", "🙂", "👩‍👩‍👧", "𝔘", "𝟘", "\uD83D", "\uDE42", "_", "/", "$", "+", "。", "▁", "\0", "<|im_end|>", "<|im_start|>", "<|", "|>", "<0x41>",
    ];

    /// <summary>Mixtures of awkward pieces and arbitrary UTF-16 code units, unpaired surrogates among them.</summary>
    public static Arbitrary<string> Any => Gen.OneOf(Gen.Elements(Awkward), Gen.Choose(0, 0xFFFF).Select(c => ((char)c).ToString()))
        .ListOf().Select(pieces => string.Concat(pieces)).ToArbitrary();

    /// <summary>The same text with U+FFFD for every unpaired surrogate.</summary>
    public static string Mend(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
