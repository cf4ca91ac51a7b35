using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>A property that a schema names, or names of a language.</summary>
internal sealed record NamedProperty(Lexeme Key, Piece Value, bool IsRequired)
{
    public bool CanBeWritten => Value.CanBeWritten && Key.CanBeWritten;

    public long Bytes => CanBeWritten ? Key.MinBytes + JsonLexemes.Colon.MinBytes + Value.MinBytes : Piece.Never;
}

/// <summary>What a schema says of an object.</summary>
internal sealed record ObjectShape
{
    /// <summary>Each at most once, in the schema's order.</summary>
    public required IReadOnlyList<NamedProperty> Named { get; init; }

    /// <summary>All others, any number of times; the names of different entries have nothing in common, nor with those that are named.</summary>
    public IReadOnlyList<NamedProperty> Others { get; init; } = [];

    /// <summary>Where there are any, one property of these must come among the others.</summary>
    public IReadOnlyList<NamedProperty> Witnesses { get; init; } = [];

    /// <summary>Fewest properties.</summary>
    public int Min { get; init; }

    /// <summary>Most properties.</summary>
    public int Max { get; init; } = int.MaxValue;

    public PropertyOrder Order { get; init; }
}
