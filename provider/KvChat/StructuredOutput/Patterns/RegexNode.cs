using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>A parsed regular expression.</summary>
internal abstract record RegexNode
{
    /// <summary>Whether it asserts something about its surroundings, so that it is no language by itself.</summary>
    public virtual bool Asserts => false;

    internal sealed record Characters(CharSet Set) : RegexNode;

    internal sealed record Sequence(IReadOnlyList<RegexNode> Parts) : RegexNode
    {
        public override bool Asserts { get; } = Parts.Any(p => p.Asserts);
    }

    internal sealed record Choice(IReadOnlyList<RegexNode> Parts) : RegexNode
    {
        public override bool Asserts { get; } = Parts.Any(p => p.Asserts);
    }

    internal sealed record Repeat(RegexNode Part, int Min, int Max) : RegexNode
    {
        public override bool Asserts { get; } = Part.Asserts;
    }

    /// <summary><c>^</c>.</summary>
    internal sealed record Start : RegexNode
    {
        public override bool Asserts => true;
    }

    /// <summary><c>$</c>.</summary>
    internal sealed record End : RegexNode
    {
        public override bool Asserts => true;
    }

    /// <summary><c>(?=...)</c> and <c>(?!...)</c>.</summary>
    internal sealed record Lookahead(RegexNode Part, bool Negative) : RegexNode
    {
        public override bool Asserts => true;
    }
}
