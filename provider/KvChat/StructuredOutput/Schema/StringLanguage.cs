using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;
using KvChat.StructuredOutput.Patterns;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Strings that patterns, formats, lengths and excluded values admit.</summary>
internal static class StringLanguage
{
    private static readonly KnownAutomata<TextAutomaton> Strings = new(t => t.Dfa);

    private static readonly KnownAutomata<CharDfa> Patterns = new(d => d);

    /// <summary>How the strings of these facts are written.</summary>
    public static Lexeme Compile(Facts facts, bool leapSeconds)
    {
        List<string> excluded = Excluded(facts);
        int max = facts.MaxLength;
        TextAutomaton automaton;
        if (facts.Texts.Count == 0 && excluded.Count == 0)
        {
            automaton = JsonLexemes.AnyText;
        }
        else if (facts.Texts is [{ Keyword: "format", Holds: true } only] && excluded.Count == 0)
        {
            Format format = Formats.Find(only.Node, only.Text, leapSeconds);
            automaton = format.Automaton;
            max = Math.Min(max, format.MaxLength);
        }
        else
        {
            foreach (TextRule rule in facts.Texts.Where(t => t.Keyword == "format" && t.Holds))
                max = Math.Min(max, Formats.Find(rule.Node, rule.Text, false).MaxLength);
            automaton = Strings.Get(KeyOf(facts, excluded), () => new TextAutomaton(Automaton(facts, excluded), isQuoted: true));
        }

        if (facts.MinLength == 0 && max == LanguageFactory.Unbounded)
            return automaton == JsonLexemes.AnyText ? JsonLexemes.AnyString : new Lexeme(automaton.Start);
        return Guard(facts, () => new Lexeme(automaton.Start, new LengthWindow(automaton, facts.MinLength, max)));
    }

    /// <summary>The strings of these facts as a language, lengths included, for names of properties.</summary>
    public static Language Language(LanguageFactory factory, Facts facts)
    {
        List<Language> parts = [.. facts.Texts.Select(t => Rule(factory, t, exact: true))];
        if (facts.MinLength > 0 || facts.MaxLength < LanguageFactory.Unbounded)
            parts.Add(factory.Repeat(factory.AnyCharacter, facts.MinLength, facts.MaxLength));
        List<string> excluded = Excluded(facts);
        if (excluded.Count > 0)
            parts.Add(factory.Not(factory.Or([.. excluded.Select(factory.Text)])));
        return factory.And([.. parts]);
    }

    /// <summary>Whether a text matches a pattern.</summary>
    public static bool Matches(SchemaNode node, string keyword, string pattern, string text) => Search(node, keyword, pattern).Matches(text);

    /// <summary>The texts in which a pattern matches somewhere.</summary>
    public static CharDfa Search(SchemaNode node, string keyword, string pattern) => Patterns.Get(pattern, () =>
    {
        var factory = new LanguageFactory();
        return Guard(node, keyword, () => DfaBuilder.Build(factory, Pattern(factory, node, keyword, pattern)));
    });

    /// <summary>The language of a pattern, found anywhere in a text.</summary>
    public static Language Pattern(LanguageFactory factory, SchemaNode node, string keyword, string pattern) =>
        Guard(node, keyword, () => new RegexTranslator(factory).Search(pattern));

    /// <summary>Turns errors of patterns and automata into errors that name the keyword.</summary>
    public static T Guard<T>(SchemaNode node, string keyword, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (AutomatonTooLargeException e)
        {
            throw node.Unsupported(keyword, e.Message);
        }
        catch (RegexSyntaxException e) when (e.IsUnsupported)
        {
            throw node.Unsupported(keyword, $"at character {e.Position} of the pattern: {e.Message}");
        }
        catch (RegexSyntaxException e)
        {
            throw node.Error(keyword, $"at character {e.Position} of the pattern: {e.Message}");
        }
    }

    private static T Guard<T>(Facts facts, Func<T> make)
    {
        TextRule? rule = facts.Texts.FirstOrDefault();
        SchemaNode? node = rule?.Node ?? facts.Claims.FirstOrDefault().Node;
        return node is null ? make() : Guard(node, rule?.Keyword ?? "maxLength", make);
    }

    private static string KeyOf(Facts facts, List<string> excluded) =>
        string.Join('\0', facts.Texts.Select(t => $"{t.Keyword} {t.Holds} {t.Text.Length} {t.Text}").Concat(excluded.Select(e => $"not {e.Length} {e}")));

    private static CharDfa Automaton(Facts facts, List<string> excluded)
    {
        var factory = new LanguageFactory();
        List<Language> parts = [.. facts.Texts.Select(t => Rule(factory, t, exact: false))];
        if (excluded.Count > 0)
            parts.Add(factory.Not(factory.Or([.. excluded.Select(factory.Text)])));
        return Guard(facts, () => DfaBuilder.Build(factory, factory.And([.. parts])));
    }

    private static Language Rule(LanguageFactory factory, TextRule rule, bool exact)
    {
        Language language;
        if (rule.Keyword == "pattern")
        {
            language = Pattern(factory, rule.Node, rule.Keyword, rule.Text);
        }
        else
        {
            Format format = Formats.Find(rule.Node, rule.Text, false);
            if (rule.Text is "time" or "date-time" && !rule.Holds)
                throw rule.Node.Unsupported("format", $"the negation of '{rule.Text}'");
            language = new RegexTranslator(factory).FullMatch(format.Pattern);
            if (format.MaxLength < LanguageFactory.Unbounded && (exact || !rule.Holds))
                language = factory.And(language, factory.Repeat(factory.AnyCharacter, 0, format.MaxLength));
        }

        return rule.Holds ? language : factory.Not(language);
    }

    private static List<string> Excluded(Facts facts) =>
        [.. facts.Excluded.Where(e => e.Value.ValueKind == System.Text.Json.JsonValueKind.String).Select(e => e.Value.GetString()!)];
}
