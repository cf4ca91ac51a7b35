using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>How far an object is written.</summary>
/// <param name="Written">Names that may not come again.</param>
/// <param name="Count">How many properties have come, as far as bounds tell them apart.</param>
/// <param name="IsWitnessed">Whether a witness has come, or none is asked for.</param>
internal readonly record struct ObjectProgress(NameSet Written, int Count, bool IsWitnessed);

/// <summary>What an object still needs.</summary>
/// <param name="Bytes">Fewest bytes of the properties that must come, without commas.</param>
/// <param name="Entries">How many there are.</param>
/// <param name="NeedsNames">Whether a required name is among them.</param>
/// <param name="BytesToEnd">Fewest bytes to the end, commas and the closing brace included.</param>
internal readonly record struct ObjectNeeds(long Bytes, long Entries, bool NeedsNames, long BytesToEnd);

/// <summary>What follows in an object after a property or the opening brace.</summary>
internal sealed class ObjectTail : Nonterminal
{
    private readonly ObjectPiece owner;
    private readonly ObjectProgress at;
    private readonly ObjectNeeds needs;
    private readonly ObjectNext next;

    public ObjectTail(ObjectPiece owner, ObjectProgress at, ObjectNeeds needs)
    {
        this.owner = owner;
        this.at = at;
        this.needs = needs;
        MinBytes = needs.BytesToEnd;
        next = new ObjectNext(owner, at, needs);
    }

    public override bool IsContainer => true;

    public override IEnumerable<IReadOnlyList<Piece>> Expand()
    {
        // One comma for all properties that may follow it.
        if (next.CanBeWritten)
            yield return at.Count == 0 ? [next] : [JsonLexemes.Comma, next];
        if (owner.MayEnd(at, needs))
            yield return [JsonLexemes.CloseObject];
    }

    public override void UpdateMinBytes()
    {
    }
}

/// <summary>A further property of an object and what follows it.</summary>
internal sealed class ObjectNext : Nonterminal
{
    private readonly ObjectPiece owner;
    private readonly ObjectProgress at;
    private readonly ObjectNeeds needs;
    private IReadOnlyList<Piece>[]? ways;

    public ObjectNext(ObjectPiece owner, ObjectProgress at, ObjectNeeds needs)
    {
        this.owner = owner;
        this.at = at;
        this.needs = needs;
        MinBytes = owner.BytesFromNext(at, needs);
    }

    public override bool IsContainer => true;

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => ways ??= [.. owner.Members(at, needs)];

    public override void UpdateMinBytes()
    {
    }
}

/// <summary>What follows the name of a property; made for each that may come, while its parts are made only for the one that does.</summary>
internal sealed class ObjectMember : Nonterminal
{
    private readonly ObjectPiece owner;
    private readonly ObjectProgress at;
    private readonly int name;

    public ObjectMember(ObjectPiece owner, ObjectProgress at, int name, long bytes)
    {
        this.owner = owner;
        this.at = at;
        this.name = name;
        MinBytes = bytes;
    }

    public override bool IsContainer => true;

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => [owner.ValueOf(at, name)];

    public override void UpdateMinBytes()
    {
    }
}
