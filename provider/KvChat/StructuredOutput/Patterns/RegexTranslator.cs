using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>
/// From a regular expression to the language of the texts that it matches. Look-ahead and anchors speak about what follows, so an
/// expression is translated together with the language of its continuation: look-ahead becomes an intersection.
/// </summary>
internal sealed class RegexTranslator(LanguageFactory factory)
{
    /// <summary>Most copies made of a repeated expression that asserts something.</summary>
    private const int MostCopies = 8;

    /// <summary>Most translations of sub-expressions: assertions inside choices multiply them.</summary>
    private const int MostSteps = 200_000;

    private int steps;

    /// <summary>What follows, given whether no character has been read yet.</summary>
    private delegate Language Continuation(bool atStart);

    /// <summary>The texts in which the expression matches somewhere, as JSON schema's <c>pattern</c> asks.</summary>
    public Language Search(string pattern)
    {
        RegexNode node = RegexParser.Parse(pattern);
        Continuation rest = _ => factory.Everything;
        Language atStart = Translate(node, rest, true);
        Language later = node.Asserts ? Translate(node, rest, false) : atStart;
        return factory.Or(atStart, factory.Concat(factory.Plus(factory.AnyCharacter), later));
    }

    /// <summary>The texts that the expression matches from beginning to end.</summary>
    public Language FullMatch(string pattern) => Translate(RegexParser.Parse(pattern), _ => factory.Empty, true);

    private Language Translate(RegexNode node, Continuation rest, bool atStart)
    {
        if (++steps > MostSteps)
            throw new AutomatonTooLargeException("anchors and look-ahead inside choices multiply too often");
        LanguageFactory.CheckStack();
        if (!node.Asserts)
            return Follow(Plain(node), rest, atStart);
        switch (node)
        {
            case RegexNode.Start:
                return atStart ? rest(true) : factory.Nothing;
            case RegexNode.End:
                return rest(atStart).Nullable ? factory.Empty : factory.Nothing;
            case RegexNode.Lookahead look:
                Language inside = Translate(look.Part, _ => factory.Everything, atStart);
                return factory.And(rest(atStart), look.Negative ? factory.Not(inside) : inside);
            case RegexNode.Choice choice:
                return factory.Or([.. choice.Parts.Select(p => Translate(p, rest, atStart))]);
            case RegexNode.Sequence sequence:
                return TranslateSequence(sequence.Parts, 0, rest, atStart);
            default:
                return TranslateRepeat((RegexNode.Repeat)node, rest, atStart);
        }
    }

    private Language TranslateSequence(IReadOnlyList<RegexNode> parts, int index, Continuation rest, bool atStart) => index == parts.Count
        ? rest(atStart)
        : Translate(parts[index], start => TranslateSequence(parts, index + 1, rest, start), atStart);

    private Language TranslateRepeat(RegexNode.Repeat repeat, Continuation rest, bool atStart)
    {
        if (repeat.Max > MostCopies)
            throw new RegexSyntaxException(0, $"an anchor or look-ahead inside a group that is repeated more than {MostCopies} times", true);
        Language From(int done, bool start)
        {
            Language result = done >= repeat.Min ? rest(start) : factory.Nothing;
            return done == repeat.Max ? result : factory.Or(result, Translate(repeat.Part, s => From(done + 1, s), start));
        }

        return From(0, atStart);
    }

    private Language Follow(Language part, Continuation rest, bool atStart)
    {
        Language later = rest(false);
        if (!atStart)
            return factory.Concat(part, later);
        if (!part.Nullable)
            return factory.Concat(part, later);
        Language now = rest(true);
        if (now == later)
            return factory.Concat(part, later);
        Language some = factory.And(part, factory.Concat(factory.AnyCharacter, factory.Everything));
        return factory.Or(now, factory.Concat(some, later));
    }

    private Language Plain(RegexNode node) => node switch
    {
        RegexNode.Characters characters => factory.Set(characters.Set),
        RegexNode.Sequence sequence => factory.Concat([.. sequence.Parts.Select(Plain)]),
        RegexNode.Choice choice => factory.Or([.. choice.Parts.Select(Plain)]),
        RegexNode.Repeat repeat => factory.Repeat(Plain(repeat.Part), repeat.Min, repeat.Max),
        _ => throw new InvalidOperationException("Only expressions without assertions are languages by themselves."),
    };
}
