using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using KvChat.StructuredOutput;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Our automata and .NET's regular expressions, which share no code, agree on random patterns and texts.</summary>
public sealed class RegexPropertyTests
{
    private const int PatternCount = 600;

    private const int TextsPerPattern = 40;

    [Fact]
    public void Whole_texts_match_as_in_dotnet()
    {
        int matched = 0;
        foreach ((string pattern, Random random) in Patterns(1))
        {
            Constraint? constraint = TryCompile(() => new ConstraintCompiler().FromRegex(pattern), out bool unsupported);
            if (unsupported)
                continue;
            var regex = new Regex($@"\A(?:{ForDotnet(pattern)})\z", RegexOptions.ECMAScript);
            for (int i = 0; i < TextsPerPattern; i++)
            {
                string text = Text(random);
                bool expected = regex.IsMatch(text);
                bool actual = constraint is not null && Documents.Accepts(constraint, text);
                Assert.True(expected == actual, $"'{pattern}' on '{text}': .NET says {expected}, the automaton {actual}");
                matched += expected ? 1 : 0;
            }
        }

        Assert.True(matched > 500, $"only {matched} texts match: the property says little");
    }

    [Fact]
    public void Parts_of_texts_match_as_in_dotnet()
    {
        int matched = 0;
        foreach ((string pattern, Random random) in Patterns(2))
        {
            string schema = $$"""{"type":"string","pattern":{{JsonSerializer.Serialize(pattern)}}}""";
            Constraint? constraint = TryCompile(() => new ConstraintCompiler().FromJsonSchema(JsonDocument.Parse(schema).RootElement), out bool unsupported);
            if (unsupported)
                continue;
            var regex = new Regex(ForDotnet(pattern), RegexOptions.ECMAScript);
            for (int i = 0; i < TextsPerPattern; i++)
            {
                string text = Text(random);
                bool expected = regex.IsMatch(text);
                bool actual = constraint is not null && Documents.Accepts(constraint, JsonSerializer.Serialize(text));
                Assert.True(expected == actual, $"'{pattern}' in '{text}': .NET says {expected}, the automaton {actual}");
                matched += expected ? 1 : 0;
            }
        }

        Assert.True(matched > 500, $"only {matched} texts match: the property says little");
    }

    [Theory]
    [InlineData("(a", 0, "not closed")]
    [InlineData("ab)", 2, "')'")]
    [InlineData("a[b", 1, "class")]
    [InlineData("x*{2", -1, "")]
    [InlineData("+a", 0, "repeat")]
    [InlineData("a{3,1}", 6, "order")]
    [InlineData("\\u12", 2, "hexadecimal")]
    public void Syntax_errors_name_the_character(string pattern, int position, string word)
    {
        if (position < 0)
        {
            _ = new ConstraintCompiler().FromRegex(pattern);
            return;
        }

        ConstraintSyntaxException error = Assert.Throws<ConstraintSyntaxException>(() => new ConstraintCompiler().FromRegex(pattern));
        Assert.Equal($"character {position}", error.Position);
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<(string Pattern, Random Random)> Patterns(int salt)
    {
        for (int seed = 0; seed < PatternCount; seed++)
        {
            var random = new Random((seed * 7) + salt);
            yield return (Pattern(random, 3, anchors: true), random);
        }
    }

    /// <summary>What matches nothing is refused, which counts as never matching; a repeated anchor or look-ahead is not supported.</summary>
    private static Constraint? TryCompile(Func<Constraint> compile, out bool unsupported)
    {
        unsupported = false;
        try
        {
            return compile();
        }
        catch (SchemaNotSupportedException e)
        {
            unsupported = e.Message.Contains("look-ahead inside a group", StringComparison.Ordinal);
            Assert.True(unsupported || e.Message.Contains("no text", StringComparison.Ordinal) || e.Message.Contains("no finite", StringComparison.Ordinal), e.Message);
            return null;
        }
    }

    /// <summary>In .NET a dollar sign also stands before a last line feed, and a point is more.</summary>
    private static string ForDotnet(string pattern) => pattern.Replace("$", "(?!.|\\n)", StringComparison.Ordinal);

    private static string Pattern(Random random, int depth, bool anchors)
    {
        var pattern = new StringBuilder();
        int parts = random.Next(1, 4);
        for (int p = 0; p < parts; p++)
        {
            if (p > 0 && random.Next(4) == 0)
                pattern.Append('|');
            if (anchors && random.Next(8) == 0)
                pattern.Append('^');
            pattern.Append(Atom(random, depth)).Append(Quantifier(random));
            if (anchors && random.Next(8) == 0)
                pattern.Append('$');
        }

        return pattern.ToString();
    }

    private static string Atom(Random random, int depth) => random.Next(depth > 0 ? 12 : 8) switch
    {
        0 or 1 => "a",
        2 => "b",
        3 => "[ab]",
        4 => "[^a]",
        5 => "\\d",
        6 => "[a-c1 ]",
        7 => "\\w",
        8 => $"({Pattern(random, depth - 1, anchors: false)})",
        9 => $"(?:{Pattern(random, depth - 1, anchors: false)})",
        10 => $"(?=[ab1]{Quantifier(random)})",
        _ => $"(?!{Atom(random, 0)}{Atom(random, 0)})",
    };

    private static string Quantifier(Random random) => random.Next(9) switch
    {
        0 => "*",
        1 => "+",
        2 => "?",
        3 => "{2}",
        4 => "{1,3}",
        5 => "*?",
        _ => "",
    };

    private static string Text(Random random)
    {
        const string Letters = "aaabbc1 ";
        return string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => Letters[random.Next(Letters.Length)]));
    }
}
