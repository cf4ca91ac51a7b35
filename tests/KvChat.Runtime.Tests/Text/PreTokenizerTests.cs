using System.Text;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Models;
using KvChat.Runtime.Text;
using KvChat.Runtime.Text.PreTokenizers;

namespace KvChat.Runtime.Tests.Text;

public sealed class PreTokenizerTests
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + Tail;
    private const string Word = @"[^\r\n\p{L}\p{N}]?";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    private const string Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Suffix = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
    private const string CasedTail = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Characters, each with one of the same class that .NET's regexes, which see UTF-16, can handle.</summary>
    private static readonly (string Text, char StandIn)[] Characters =
    [
        .. "aBzZ sStTlLrRvVmMdDeE'''  \n\r\t\u00A0\u0085\u2003\u2028\u3000\u200B\u180E\u001C1239٣Ⅷ½é漢字あǅʰ\u0301\u0903\u20DD.,!?_-/$+<=>^~|`(。’€".Select(c => (c.ToString(), c)),
        ("𝔘", 'B'), ("𝔞", 'a'), ("𠀀", '漢'), ("𐊀", '字'), ("𝟘", '٣'), ("🙂", '€'), ("\U0001E8D0", '\u0301'), ("\U00016B40", 'ʰ'), ("\U00010100", '.'), ("\uDE42", '€'),
    ];

    [Theory]
    [InlineData("gpt-2", Gpt2)]
    [InlineData("smollm", @"\p{N}", Gpt2)]
    [InlineData("starcoder", @"\p{N}", Gpt2)]
    [InlineData("llama-bpe", Llama3)]
    [InlineData("smaug-bpe", Llama3)]
    [InlineData("qwen2", @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + Tail)]
    [InlineData("tekken", Word + Upper + "*" + Lower + "+|" + Word + Upper + "+" + Lower + @"*|\p{N}" + CasedTail)]
    [InlineData("gpt-4o", Word + Upper + "*" + Lower + "+" + Suffix + "|" + Word + Upper + "+" + Lower + "*" + Suffix + @"|\p{N}{1,3}" + CasedTail)]
    [InlineData("default", @"[\p{P}\$\+<=>\^~\|]+", Gpt2, @"\p{N}+", "[0-9][0-9][0-9]")]
    public void Scanner_cuts_as_its_pattern_does(string pre, params string[] patterns)
    {
        Regex[] stages = [.. patterns.Select(p => new Regex(p, RegexOptions.CultureInvariant))];
        Gen<(string Text, char StandIn)[]> gen = Gen.Elements(Characters).ArrayOf();
        Prop.ForAll(gen.ToArbitrary(), characters =>
        {
            string standIn = string.Concat(characters.Select(c => c.StandIn));
            int[] expected = [.. Isolate(standIn, stages).Select(p => p.Length)];
            int[] lengths = [.. TokenizerGoldenTests.Cut(pre, string.Concat(characters.Select(c => c.Text))).Select(p => p.EnumerateRunes().Count())];
            return expected.SequenceEqual(lengths);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithEndSize(40));
    }

    [Fact]
    public void Pieces_are_the_text()
    {
        foreach (string pre in PreTokenizerTable.Names)
            Prop.ForAll(Texts.Any, text => string.Concat(TokenizerGoldenTests.Cut(pre, text)) == text).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("llama-bpe", "it'\u017F ", "it", "'\u017F", " ")] // without case, the long s is an s
    [InlineData("gpt-2", "it'\u017F ", "it", "'", "\u017F", " ")]
    [InlineData("llama-bpe", "𝔘𝔫𝔦 𝟘𝟙𝟚𝟛", "𝔘𝔫𝔦", " ", "𝟘𝟙𝟚", "𝟛")]
    [InlineData("tekken", "漢ABc漢A", "漢ABc漢", "A")]
    [InlineData("tekken", "\u0301AB", "\u0301", "AB")]
    public void Rare_cases_are_cut_as_the_pattern_says(string pre, string text, params string[] pieces) =>
        Assert.Equal(pieces, TokenizerGoldenTests.Cut(pre, text));

    [Fact]
    public void Unknown_name_is_refused_with_the_names_that_are_known()
    {
        var error = Assert.Throws<ModelFileException>(() => PreTokenizerTable.Find("never-heard-of"));
        Assert.Equal("tokenizer.ggml.pre", error.Field);
        Assert.Contains("never-heard-of", error.Message, StringComparison.Ordinal);
        Assert.Contains("llama-bpe", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Each stage isolates its matches in the pieces of the one before; what lies between matches is a piece as well.</summary>
    private static IEnumerable<string> Isolate(string text, Regex[] stages)
    {
        IEnumerable<string> pieces = [text];
        foreach (Regex stage in stages)
            pieces = [.. pieces.SelectMany(piece => Isolate(piece, stage))];
        return pieces.Where(piece => piece.Length > 0);
    }

    private static IEnumerable<string> Isolate(string text, Regex stage)
    {
        int at = 0;
        foreach (Match match in stage.Matches(text))
        {
            yield return text[at..match.Index];
            yield return match.Value;
            at = match.Index + match.Length;
        }

        yield return text[at..];
    }
}
