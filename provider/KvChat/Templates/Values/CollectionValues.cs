using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace KvChat.Templates;

/// <summary>A list or a tuple. Never changed once made.</summary>
internal class ListValue(TemplateValue[] items, bool isTuple, int origin = 0) : TemplateValue(origin)
{
    internal TemplateValue[] Items { get; } = items;

    internal bool IsTuple { get; } = isTuple;

    internal override string TypeName => IsTuple ? "tuple" : "list";

    internal override bool IsTrue => Items.Length > 0;
}

/// <summary>What <c>groupby</c> gives: a pair whose parts also have names.</summary>
internal sealed class GroupValue(TemplateValue grouper, ListValue list) : ListValue([grouper, list], true)
{
    internal TemplateValue Grouper => Items[0];

    internal TemplateValue Members => Items[1];
}

/// <summary>A map in order of insertion. Never changed once made.</summary>
internal sealed class MapValue : TemplateValue
{
    private readonly Dictionary<TemplateValue, int> places;

    private MapValue(List<KeyValuePair<TemplateValue, TemplateValue>> entries, Dictionary<TemplateValue, int> places, int origin)
        : base(origin)
    {
        Entries = entries;
        this.places = places;
    }

    internal IReadOnlyList<KeyValuePair<TemplateValue, TemplateValue>> Entries { get; }

    internal override string TypeName => "dict";

    internal override bool IsTrue => Entries.Count > 0;

    /// <summary>A map from entries; a repeated key keeps its place and takes the later value.</summary>
    internal static MapValue From(IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> source, int origin)
    {
        List<KeyValuePair<TemplateValue, TemplateValue>> entries = [];
        Dictionary<TemplateValue, int> places = new(PythonEquality.Instance);
        foreach (KeyValuePair<TemplateValue, TemplateValue> entry in source)
        {
            if (places.TryGetValue(entry.Key, out int place))
            {
                entries[place] = new(entries[place].Key, entry.Value);
                continue;
            }

            places.Add(entry.Key, entries.Count);
            entries.Add(entry);
        }

        return new MapValue(entries, places, origin);
    }

    internal bool TryGet(TemplateValue key, [NotNullWhen(true)] out TemplateValue? value)
    {
        bool found = places.TryGetValue(key, out int place);
        value = found ? Entries[place].Value : null;
        return found;
    }
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> give: iterable any number of times, but without indices.</summary>
internal sealed class MapViewValue(MapValue map, string kind) : TemplateValue(map.Origin)
{
    internal string Kind { get; } = kind;

    internal MapValue Source { get; } = map;

    internal override string TypeName => "dict_" + Kind;

    internal override bool IsTrue => Source.IsTrue;

    internal IEnumerable<TemplateValue> Elements() => Kind switch
    {
        "keys" => Source.Entries.Select(e => e.Key),
        "values" => Source.Entries.Select(e => e.Value),
        _ => Source.Entries.Select(e => (TemplateValue)new ListValue([e.Key, e.Value], true, Source.Origin)),
    };
}

/// <summary>A range of integers.</summary>
internal sealed class RangeValue(BigInteger start, BigInteger stop, BigInteger step, int count, int origin) : TemplateValue(origin)
{
    internal BigInteger Start { get; } = start;

    internal BigInteger Stop { get; } = stop;

    internal BigInteger Step { get; } = step;

    internal int Count { get; } = count;

    internal override string TypeName => "range";

    internal override bool IsTrue => Count > 0;

    internal IntegerValue At(int index) => new(Start + (Step * index), Origin);
}

/// <summary>A lazy sequence that can be read once, as Jinja's <c>map</c>, <c>select</c> and others give it. Always true.</summary>
internal sealed class GeneratorValue(IEnumerable<TemplateValue> source) : TemplateValue(0)
{
    private readonly IEnumerator<TemplateValue> elements = source.GetEnumerator();

    internal override string TypeName => "generator";

    /// <summary>What is left to read.</summary>
    internal IEnumerable<TemplateValue> Rest()
    {
        while (elements.MoveNext())
            yield return elements.Current;
    }
}

/// <summary>Attributes that a template may set, so that loops can tell the outside what they found.</summary>
internal sealed class NamespaceValue(Dictionary<string, TemplateValue> attributes) : TemplateValue(0)
{
    internal Dictionary<string, TemplateValue> Attributes { get; } = attributes;

    internal override string TypeName => "Namespace";
}
