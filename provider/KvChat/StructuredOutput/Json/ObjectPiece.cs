using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Json;

/// <summary>
/// A JSON object. What has been written of it is a set of names, a count as far as its bounds need, and whether a witness has come; what
/// can follow is found when a text arrives there, so a large object costs what is written of it.
/// </summary>
internal sealed class ObjectPiece : Nonterminal
{
    private readonly ObjectShape shape;
    private readonly Dictionary<ObjectProgress, ObjectTail> tails = [];
    private readonly int greatestCount;

    public ObjectPiece(ObjectShape shape)
    {
        this.shape = shape;
        greatestCount = shape.Max == int.MaxValue ? Math.Max(1, shape.Min) : shape.Max;
    }

    private IReadOnlyList<NamedProperty> Named => shape.Named;

    private bool IsOrdered => shape.Order == PropertyOrder.Schema;

    private ObjectProgress Beginning => new(NameSet.Empty(Named.Count), 0, shape.Witnesses.Count == 0);

    public override IEnumerable<Piece> Children => Named.Concat(shape.Others).Concat(shape.Witnesses).Select(p => p.Value);

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [[JsonLexemes.OpenObject, TailAt(Beginning)]] : [];

    public override void UpdateMinBytes() => MinBytes = Sum(JsonLexemes.OpenObject.MinBytes, NeedsAt(Beginning).BytesToEnd);

    /// <summary>What must still come, and the fewest bytes to the end.</summary>
    public ObjectNeeds NeedsAt(ObjectProgress at)
    {
        long bytes = 0, entries = 0;
        for (int i = 0; i < Named.Count; i++)
        {
            if (!Named[i].IsRequired || at.Written.Contains(i))
                continue;
            bytes = Sum(bytes, Named[i].Bytes);
            entries++;
        }

        bool needsNames = entries > 0;
        if (!at.IsWitnessed)
        {
            bytes = Sum(bytes, shape.Witnesses.Min(w => w.Bytes));
            entries++;
        }

        for (long missing = shape.Min - at.Count - entries; missing > 0; missing = 0)
            (bytes, entries) = AddShortest(at, bytes, entries, missing);
        return Measure(at.Count, bytes, entries, needsNames);
    }

    /// <summary>The needs after one of the named properties, from those before it.</summary>
    public ObjectNeeds NeedsAfter(ObjectProgress at, ObjectNeeds before, int name)
    {
        // The least number of properties may ask for another choice of those that are not required.
        if (shape.Min > at.Count || before.Bytes >= Never)
            return NeedsAt(After(at, name));
        bool wasNeeded = Named[name].IsRequired;
        long entries = before.Entries - (wasNeeded ? 1 : 0);
        bool needsNames = entries > (at.IsWitnessed ? 0 : 1);
        return Measure(CountAfter(at), before.Bytes - (wasNeeded ? Named[name].Bytes : 0), entries, needsNames);
    }

    private ObjectNeeds Measure(int count, long bytes, long entries, bool needsNames)
    {
        if (count + entries > shape.Max)
            bytes = Never;
        long commas = entries > 0 && count == 0 ? entries - 1 : entries;
        return new ObjectNeeds(bytes, entries, needsNames, Sum(bytes, (commas * JsonLexemes.Comma.MinBytes) + JsonLexemes.CloseObject.MinBytes));
    }

    /// <summary>The shortest properties that may be added to reach the least number: of those that are not required, then of the others.</summary>
    private (long Bytes, long Entries) AddShortest(ObjectProgress at, long bytes, long entries, long missing)
    {
        IEnumerable<long> free = Enumerable.Range(0, Named.Count).Where(i => !Named[i].IsRequired && Named[i].CanBeWritten && !at.Written.Contains(i)).Select(i => Named[i].Bytes);
        foreach (long length in free.Order().Take((int)Math.Min(missing, int.MaxValue)))
        {
            (bytes, entries) = (Sum(bytes, length), entries + 1);
            missing--;
        }

        if (missing == 0)
            return (bytes, entries);
        long other = shape.Others.Count == 0 ? Never : shape.Others.Min(o => o.Bytes);
        return (other >= Never ? Never : Sum(bytes, missing * other), entries + missing);
    }

    private ObjectTail TailAt(ObjectProgress at)
    {
        if (!tails.TryGetValue(at, out ObjectTail? tail))
            tails[at] = tail = new ObjectTail(this, at, NeedsAt(at));
        return tail;
    }

    private ObjectProgress After(ObjectProgress at, int name) => at with { Written = IsOrdered ? at.Written.WithUpTo(name) : at.Written.With(name), Count = CountAfter(at) };

    private int CountAfter(ObjectProgress at) => Math.Min(at.Count + 1, greatestCount);

    /// <summary>Whether the object may be closed.</summary>
    public bool MayEnd(ObjectProgress at, ObjectNeeds needs) => needs.Entries == 0 && at.Count >= shape.Min;

    /// <summary>What may follow the name of a property.</summary>
    public IReadOnlyList<Piece> ValueOf(ObjectProgress at, int name) => [JsonLexemes.Colon, Named[name].Value, TailAt(After(at, name))];

    /// <summary>The properties that may come next, each with what follows it.</summary>
    public IEnumerable<IReadOnlyList<Piece>> Members(ObjectProgress at, ObjectNeeds needs)
    {
        if (at.Count == shape.Max)
            yield break;
        foreach (int i in NextNames(at))
        {
            long rest = Sum(JsonLexemes.Colon.MinBytes + Named[i].Value.MinBytes, NeedsAfter(at, needs, i).BytesToEnd);
            if (rest < Never)
                yield return [Named[i].Key, new ObjectMember(this, at, i, rest)];
        }

        if (IsOrdered && needs.NeedsNames)
            yield break;
        foreach ((NamedProperty entry, ObjectProgress rest) in NextOthers(at))
        {
            if (entry.CanBeWritten && TailAt(rest) is { CanBeWritten: true } tail)
                yield return [entry.Key, JsonLexemes.Colon, entry.Value, tail];
        }
    }

    /// <summary>Fewest bytes from the name of a next property to the end.</summary>
    public long BytesFromNext(ObjectProgress at, ObjectNeeds needs)
    {
        if (needs.Entries > 0 || needs.Bytes >= Never)
            return needs.Bytes >= Never ? Never : needs.BytesToEnd - (at.Count == 0 ? 0 : JsonLexemes.Comma.MinBytes);
        if (at.Count == shape.Max)
            return Never;
        long least = Never;
        foreach (int i in NextNames(at))
            least = Math.Min(least, Named[i].Bytes);
        foreach ((NamedProperty entry, _) in NextOthers(at))
            least = Math.Min(least, entry.Bytes);
        return Sum(least, JsonLexemes.CloseObject.MinBytes);
    }

    private IEnumerable<int> NextNames(ObjectProgress at)
    {
        for (int i = 0; i < Named.Count; i++)
        {
            if (at.Written.Contains(i))
                continue;
            if (Named[i].CanBeWritten)
                yield return i;
            if (IsOrdered && Named[i].IsRequired)
                yield break;
        }
    }

    private IEnumerable<(NamedProperty Entry, ObjectProgress Then)> NextOthers(ObjectProgress at)
    {
        // Of two properties with one name readers keep the last: behind a witness nothing may come that could take its place.
        if (shape.Witnesses.Count > 0 && at.IsWitnessed)
            return [];
        // In the schema's order these come last: then no name is written any more.
        ObjectProgress rest = at with { Written = IsOrdered && Named.Count > 0 ? at.Written.WithUpTo(Named.Count - 1) : at.Written, Count = CountAfter(at) };
        return shape.Others.Select(o => (o, rest)).Concat(shape.Witnesses.Select(w => (w, rest with { IsWitnessed = true })));
    }
}
