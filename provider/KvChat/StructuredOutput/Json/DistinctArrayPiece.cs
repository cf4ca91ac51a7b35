using System.Numerics;
using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>A JSON array whose items are different ones of a short list of values: <c>uniqueItems</c> over an <c>enum</c>.</summary>
internal sealed class DistinctArrayPiece(IReadOnlyList<Piece> values, int min, int max) : Nonterminal
{
    /// <summary>Most values: which of them are used is a set in 64 bits.</summary>
    public const int MostValues = 64;

    private readonly Dictionary<ulong, Tail> tails = [];

    public override IEnumerable<Piece> Children => values;

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [[JsonLexemes.OpenArray, TailAt(0)]] : [];

    public override void UpdateMinBytes() => MinBytes = Sum(JsonLexemes.OpenArray.MinBytes, LengthAfter(0));

    private long LengthAfter(ulong used)
    {
        int items = BitOperations.PopCount(used), missing = Math.Max(0, min - items);
        long[] least = [.. values.Where((v, i) => (used >> i & 1) == 0 && v.CanBeWritten).Select(v => v.MinBytes).Order().Take(missing)];
        if (least.Length < missing || items > max || (missing > 0 && min > max))
            return Never;
        return least.Sum() + (missing == 0 ? 0 : missing - (items == 0 ? 1 : 0)) + JsonLexemes.CloseArray.MinBytes;
    }

    private Tail TailAt(ulong used)
    {
        if (!tails.TryGetValue(used, out Tail? tail))
            tails[used] = tail = new Tail(this, used);
        return tail;
    }

    private bool IsFree(ulong used, int value) => (used >> value & 1) == 0 && values[value].CanBeWritten && BitOperations.PopCount(used) < max;

    private sealed class Tail : Nonterminal
    {
        private readonly DistinctArrayPiece owner;
        private readonly ulong used;
        private readonly int min;
        private readonly IReadOnlyList<Piece> values;

        public Tail(DistinctArrayPiece owner, ulong used)
        {
            this.owner = owner;
            this.used = used;
            min = owner.Least;
            values = owner.Values;
            MinBytes = owner.LengthAfter(used);
        }

        public override bool IsContainer => true;

        public override IEnumerable<IReadOnlyList<Piece>> Expand()
        {
            for (int i = 0; i < values.Count; i++)
            {
                if (owner.IsFree(used, i) && owner.TailAt(used | (1UL << i)) is { CanBeWritten: true } rest)
                    yield return used == 0 ? [values[i], rest] : [JsonLexemes.Comma, values[i], rest];
            }

            if (BitOperations.PopCount(used) >= min)
                yield return [JsonLexemes.CloseArray];
        }

        public override void UpdateMinBytes()
        {
        }
    }

    private int Least => min;

    private IReadOnlyList<Piece> Values => values;
}
