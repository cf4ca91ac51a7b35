using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>A property that a schema names.</summary>
internal sealed record NamedProperty(Lexeme Key, Piece Value, bool IsRequired)
{
    public bool CanBeWritten => Value.CanBeWritten && Key.CanBeWritten;

    public long Bytes => CanBeWritten ? Key.MinBytes + JsonLexemes.Colon.MinBytes + Value.MinBytes : Piece.Never;
}

/// <summary>
/// A JSON object: the named properties in their order, each at most once, then any number of others whose names are of given languages
/// (which exclude the named ones). With bounds on the number of properties they are counted.
/// </summary>
internal sealed class ObjectPiece : Nonterminal
{
    /// <summary>Most cells of the table of lengths.</summary>
    private const long MostCells = 2_000_000;

    private readonly Dictionary<(int, int), Tail> tails = [];
    private readonly int greatestCount;
    private long[,] lengths;

    /// <param name="named">In the order in which they are written.</param>
    /// <param name="others">Name and value of the others; names of different entries have nothing in common.</param>
    /// <param name="min">Fewest properties.</param>
    /// <param name="max">Most properties, or int.MaxValue.</param>
    public ObjectPiece(IReadOnlyList<NamedProperty> named, IReadOnlyList<NamedProperty> others, int min, int max)
    {
        Named = named;
        Others = others;
        Min = min;
        Max = max;
        greatestCount = max == int.MaxValue ? Math.Max(1, min) : max;
        if ((named.Count + 1L) * (greatestCount + 1L) > MostCells)
            throw new Automata.AutomatonTooLargeException($"between {min} and {max} properties with {named.Count} names");
        lengths = new long[named.Count + 1, greatestCount + 1];
    }

    public IReadOnlyList<NamedProperty> Named { get; }

    public IReadOnlyList<NamedProperty> Others { get; }

    public int Min { get; }

    public int Max { get; }

    public override IEnumerable<Piece> Children => Named.Concat(Others).Select(p => p.Value);

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [[JsonLexemes.OpenObject, TailAt(0, 0)]] : [];

    public override void UpdateMinBytes()
    {
        var table = new long[Named.Count + 1, greatestCount + 1];
        for (int c = 0; c <= greatestCount; c++)
            table[Named.Count, c] = EndingLength(c);
        for (int i = Named.Count - 1; i >= 0; i--)
        {
            for (int c = 0; c <= greatestCount; c++)
            {
                long with = c == Max ? Never : Sum(Sum(Separator(c), Named[i].Bytes), table[i + 1, CountAfter(c)]);
                table[i, c] = Named[i].IsRequired ? with : Math.Min(with, table[i + 1, c]);
            }
        }

        lengths = table;
        MinBytes = Sum(JsonLexemes.OpenObject.MinBytes, table[0, 0]);
    }

    private long EndingLength(int count)
    {
        int missing = Math.Max(0, Min - count);
        long other = Others.Count == 0 ? Never : Others.Min(o => o.Bytes);
        if (missing > 0 && (other >= Never || count + missing > Max))
            return Never;
        long commas = missing == 0 ? 0 : missing - (count == 0 ? 1 : 0);
        return JsonLexemes.CloseObject.MinBytes + (missing == 0 ? 0 : missing * other) + commas;
    }

    private static long Separator(int count) => count == 0 ? 0 : JsonLexemes.Comma.MinBytes;

    private int CountAfter(int count) => Math.Min(count + 1, greatestCount);

    private Tail TailAt(int index, int count)
    {
        if (!tails.TryGetValue((index, count), out Tail? tail))
            tails[(index, count)] = tail = new Tail(this, index, count);
        return tail;
    }

    /// <summary>What follows in an object after some of the named properties have been passed.</summary>
    private sealed class Tail : Nonterminal
    {
        private readonly ObjectPiece owner;
        private readonly int index;
        private readonly int count;

        public Tail(ObjectPiece owner, int index, int count)
        {
            this.owner = owner;
            this.index = index;
            this.count = count;
            MinBytes = owner.lengths[index, count];
        }

        public override bool IsContainer => true;

        public override IEnumerable<IReadOnlyList<Piece>> Expand()
        {
            bool full = count == owner.Max;
            int i = index;
            for (; i < owner.Named.Count; i++)
            {
                NamedProperty p = owner.Named[i];
                if (!full && p.CanBeWritten && owner.TailAt(i + 1, owner.CountAfter(count)) is { CanBeWritten: true } rest)
                    yield return With(p, rest);
                if (p.IsRequired)
                    yield break;
            }

            foreach (NamedProperty other in owner.Others)
            {
                if (!full && other.CanBeWritten && owner.TailAt(i, owner.CountAfter(count)) is { CanBeWritten: true } rest)
                    yield return With(other, rest);
            }

            if (count >= owner.Min)
                yield return [JsonLexemes.CloseObject];
        }

        public override void UpdateMinBytes()
        {
        }

        private Piece[] With(NamedProperty p, Tail rest) => count == 0
            ? [p.Key, JsonLexemes.Colon, p.Value, rest]
            : [JsonLexemes.Comma, p.Key, JsonLexemes.Colon, p.Value, rest];
    }
}
