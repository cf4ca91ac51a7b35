using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>An item of an array: what it may be when it counts for <c>contains</c>, and what when it does not.</summary>
internal sealed record ArrayItem(Piece Plain, Piece? Containing);

/// <summary>What a schema says of an array.</summary>
internal sealed record ArrayShape
{
    /// <summary>The first items.</summary>
    public required IReadOnlyList<ArrayItem> Prefix { get; init; }

    /// <summary>All further items, or null where there are none.</summary>
    public required ArrayItem? Rest { get; init; }

    public int Min { get; init; }

    public int Max { get; init; } = int.MaxValue;

    /// <summary>Fewest items that count for <c>contains</c>.</summary>
    public int MinContains { get; init; }

    /// <summary>Most such items; where it is bounded, the plain items must be ones that do not count.</summary>
    public int MaxContains { get; init; } = int.MaxValue;
}

/// <summary>A JSON array, counted as far as its bounds need.</summary>
internal sealed class ArrayPiece : Nonterminal
{
    private readonly ArrayShape shape;
    private readonly Dictionary<(int, int), Tail> tails = [];
    private readonly int countedItems;
    private readonly int countedContains;
    private readonly int greatest;

    public ArrayPiece(ArrayShape shape)
    {
        this.shape = shape;
        greatest = shape.Rest is null ? Math.Min(shape.Max, shape.Prefix.Count) : shape.Max;
        countedItems = greatest == int.MaxValue ? Math.Max(1, Math.Max(shape.Prefix.Count, shape.Min)) : greatest;
        countedContains = shape.MaxContains == int.MaxValue ? shape.MinContains : shape.MaxContains;
    }

    public override IEnumerable<Piece> Children =>
        shape.Prefix.Concat(shape.Rest is null ? [] : [shape.Rest]).SelectMany<ArrayItem, Piece>(i => i.Containing is null ? [i.Plain] : [i.Plain, i.Containing]);

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [[JsonLexemes.OpenArray, TailAt(0, 0)]] : [];

    public override void UpdateMinBytes() => MinBytes = Sum(JsonLexemes.OpenArray.MinBytes, Lengths()[0, 0]);

    /// <summary>Fewest bytes to the end by items of the prefix that have been written and items that counted for <c>contains</c>.</summary>
    private long[,] Lengths()
    {
        int last = Math.Min(shape.Prefix.Count, greatest);
        var table = new long[last + 1, countedContains + 1];
        for (int k = 0; k <= countedContains; k++)
            table[last, k] = RestLength(last, k);
        for (int i = last - 1; i >= 0; i--)
        {
            for (int k = 0; k <= countedContains; k++)
            {
                long separator = i == 0 ? 0 : JsonLexemes.Comma.MinBytes;
                long least = i >= shape.Min && k >= shape.MinContains ? JsonLexemes.CloseArray.MinBytes : Never;
                least = Math.Min(least, Sum(separator, Sum(shape.Prefix[i].Plain.MinBytes, table[i + 1, k])));
                if (shape.Prefix[i].Containing is { } c && k < shape.MaxContains)
                    least = Math.Min(least, Sum(separator, Sum(c.MinBytes, table[i + 1, Math.Min(k + 1, countedContains)])));
                table[i, k] = least;
            }
        }

        return table;
    }

    /// <summary>Fewest bytes to the end behind the prefix. The cost is linear in how many items count, so one of the ends is least.</summary>
    private long RestLength(int items, int contains)
    {
        long missing = Math.Max(0, shape.Min - items), wanted = Math.Max(0, shape.MinContains - contains);
        long most = Math.Min(greatest == int.MaxValue ? long.MaxValue : greatest - items, long.MaxValue);
        long atMost = Math.Min(most, shape.MaxContains == int.MaxValue ? Math.Max(missing, wanted) : shape.MaxContains - contains);
        long least = Never;
        foreach (long counting in (long[])[wanted, Math.Max(wanted, Math.Min(atMost, missing))])
        {
            long all = Math.Max(missing, counting);
            if (all > most || counting > atMost)
                continue;
            long cost = Sum(Times(counting, shape.Rest?.Containing?.MinBytes ?? Never), Times(all - counting, shape.Rest?.Plain.MinBytes ?? Never));
            long commas = all == 0 ? 0 : all - (items == 0 ? 1 : 0);
            least = Math.Min(least, Sum(cost, commas + JsonLexemes.CloseArray.MinBytes));
        }

        return least;
    }

    private static long Times(long count, long bytes) => count == 0 ? 0 : bytes >= Never / count ? Never : count * bytes;

    private Tail TailAt(int items, int contains)
    {
        items = Math.Min(items, countedItems);
        contains = Math.Min(contains, countedContains);
        if (!tails.TryGetValue((items, contains), out Tail? tail))
        {
            long bytes = items < shape.Prefix.Count && items <= greatest ? Lengths()[items, contains] : RestLength(items, contains);
            tails[(items, contains)] = tail = new Tail(this, items, contains, bytes);
        }

        return tail;
    }

    /// <summary>What follows in an array after some items.</summary>
    private sealed class Tail : Nonterminal
    {
        private readonly ArrayPiece owner;
        private readonly int items;
        private readonly int contains;

        public Tail(ArrayPiece owner, int items, int contains, long bytes)
        {
            this.owner = owner;
            this.items = items;
            this.contains = contains;
            MinBytes = bytes;
        }

        public override bool IsContainer => true;

        public override IEnumerable<IReadOnlyList<Piece>> Expand()
        {
            ArrayShape shape = owner.shape;
            ArrayItem? item = items < shape.Prefix.Count ? shape.Prefix[items] : shape.Rest;
            if (item is not null && (items < owner.greatest || owner.greatest == int.MaxValue))
            {
                if (item.Plain.CanBeWritten && owner.TailAt(items + 1, contains) is { CanBeWritten: true } rest)
                    yield return With(item.Plain, rest);
                if (item.Containing is { CanBeWritten: true } c && contains < shape.MaxContains && (contains < owner.countedContains || shape.MaxContains == int.MaxValue)
                    && (contains < shape.MinContains || shape.MaxContains < int.MaxValue) && owner.TailAt(items + 1, contains + 1) is { CanBeWritten: true } after)
                    yield return With(c, after);
            }

            if (items >= shape.Min && contains >= shape.MinContains)
                yield return [JsonLexemes.CloseArray];
        }

        public override void UpdateMinBytes()
        {
        }

        private Piece[] With(Piece value, Tail rest) => items == 0 ? [value, rest] : [JsonLexemes.Comma, value, rest];
    }
}
