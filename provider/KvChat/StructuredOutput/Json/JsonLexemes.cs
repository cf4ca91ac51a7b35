using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>
/// The lexemes of JSON that all schemas share, so that what is computed for them is computed once. White space is what JSON writers
/// put: nothing, one space (as Python's json.dumps), or one new line with an indentation. It is bounded, since a model that may go on
/// with spaces sometimes never stops.
/// </summary>
internal static class JsonLexemes
{
    private const int DeepestSpaces = 64;

    private const int DeepestTabs = 16;

    private const int MostShortNames = 50;

    public static readonly Lexeme True = Literal("true");

    public static readonly Lexeme False = Literal("false");

    public static readonly Lexeme Null = Literal("null");

    public static readonly Lexeme Comma = Compile(f => f.Concat(f.Text(","), f.Optional(f.Text(" ")), f.Optional(NewLine(f))));

    public static readonly Lexeme Colon = Compile(f => f.Concat(f.Text(":"), f.Optional(f.Text(" "))));

    public static readonly Lexeme OpenObject = Compile(f => f.Concat(f.Text("{"), f.Or(f.Empty, f.Text(" "), NewLine(f))));

    public static readonly Lexeme CloseObject = Compile(f => f.Concat(f.Or(f.Empty, f.Text(" "), NewLine(f)), f.Text("}")));

    public static readonly Lexeme OpenArray = Compile(f => f.Concat(f.Text("["), f.Or(f.Empty, f.Text(" "), NewLine(f))));

    public static readonly Lexeme CloseArray = Compile(f => f.Concat(f.Or(f.Empty, f.Text(" "), NewLine(f)), f.Text("]")));

    /// <summary>The automaton of every string; lexemes with bounds on the length share it.</summary>
    public static readonly TextAutomaton AnyText = new(Build(f => f.Everything), isQuoted: true);

    public static readonly Lexeme AnyString = new(AnyText.Start);

    /// <summary>Plain text of a language, such as a number's.</summary>
    public static Lexeme Compile(Func<LanguageFactory, Language> language) => Plain(Build(language));

    public static Lexeme Plain(CharDfa dfa) => new(new TextAutomaton(dfa, isQuoted: false).Start);

    public static Lexeme Quoted(CharDfa dfa) => new(new TextAutomaton(dfa, isQuoted: true).Start);

    /// <summary>One of several strings; of none there is no text.</summary>
    public static Lexeme Strings(IReadOnlyCollection<string> values) => values.Count == 0
        ? Quoted(DfaOperations.FromWords(values))
        : new Lexeme(values.Min(TextAutomaton.QuotedLength), () => new TextAutomaton(DfaOperations.FromWords(values), isQuoted: true).Start);

    /// <summary>Any string but some.</summary>
    public static Lexeme StringsExcept(IReadOnlyCollection<string> values)
    {
        // Only a list of hundreds of names leaves no string of one letter.
        if (values.Count(v => v.Length <= 1) > MostShortNames)
            return Quoted(DfaOperations.ExceptWords(values));
        return new Lexeme(values.Contains("") ? 3 : 2, () => new TextAutomaton(DfaOperations.ExceptWords(values), isQuoted: true).Start);
    }

    private static Lexeme Literal(string text) => Plain(DfaOperations.FromWords([text]));

    private static CharDfa Build(Func<LanguageFactory, Language> language)
    {
        var factory = new LanguageFactory();
        return DfaBuilder.Build(factory, language(factory));
    }

    private static Language NewLine(LanguageFactory f) =>
        f.Concat(f.Text("\n"), f.Or(f.Repeat(f.Text(" "), 0, DeepestSpaces), f.Repeat(f.Text("\t"), 0, DeepestTabs)));
}
