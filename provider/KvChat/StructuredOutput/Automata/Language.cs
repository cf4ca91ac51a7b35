namespace KvChat.StructuredOutput.Automata;

/// <summary>How a <see cref="Language"/> is put together.</summary>
internal enum LanguageKind
{
    /// <summary>No text.</summary>
    Nothing,

    /// <summary>The empty text.</summary>
    Empty,

    /// <summary>One character of a set.</summary>
    Set,

    /// <summary>One text after another.</summary>
    Concat,

    /// <summary>From Min to Max texts of one language.</summary>
    Repeat,

    /// <summary>Any of several.</summary>
    Or,

    /// <summary>All of several at once.</summary>
    And,

    /// <summary>Every text that is not in the language.</summary>
    Not,
}

/// <summary>
/// A regular language over Unicode scalar values, as an expression with intersection and complement. Equal expressions of one
/// <see cref="LanguageFactory"/> are the same object, so that their Brzozowski derivatives are few and become states.
/// </summary>
internal sealed class Language
{
    public required int Id { get; init; }

    public required LanguageKind Kind { get; init; }

    /// <summary>Whether the empty text is in the language.</summary>
    public required bool Nullable { get; init; }

    public CharSet Set { get; init; } = CharSet.None;

    public Language[] Parts { get; init; } = [];

    public int Min { get; init; }

    public int Max { get; init; }

    /// <summary>Derivatives by class of characters, filled while a <see cref="DfaBuilder"/> runs.</summary>
    public Language?[]? Derivatives { get; set; }
}
