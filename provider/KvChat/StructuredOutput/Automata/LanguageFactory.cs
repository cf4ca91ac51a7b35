using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KvChat.StructuredOutput.Automata;

/// <summary>Makes <see cref="Language"/> expressions, simplified so that few different ones arise. Not thread-safe.</summary>
internal sealed class LanguageFactory
{
    /// <summary>Stands for no upper limit.</summary>
    public const int Unbounded = int.MaxValue;

    /// <summary>Most expressions of one factory: about 100 MB at worst.</summary>
    private const int Limit = 400_000;

    private readonly Dictionary<Key, Language> known = [];
    private readonly Dictionary<CharSet, int> setIds = new(CharSetComparer.Instance);

    public LanguageFactory()
    {
        Nothing = Intern(new(LanguageKind.Nothing, 0, 0, []), false);
        Empty = Intern(new(LanguageKind.Empty, 0, 0, []), true);
        AnyCharacter = Set(CharSet.All);
        Everything = Repeat(AnyCharacter, 0, Unbounded);
    }

    public Language Nothing { get; }

    public Language Empty { get; }

    public Language AnyCharacter { get; }

    /// <summary>Every text.</summary>
    public Language Everything { get; }

    public Language Set(CharSet set)
    {
        if (set.IsEmpty)
            return Nothing;
        ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(setIds, set, out bool exists);
        if (!exists)
            id = setIds.Count;
        return Intern(new(LanguageKind.Set, id, 0, []), false, set);
    }

    public Language Text(string text) => Concat([.. text.EnumerateRunes().Select(r => Set(CharSet.Of(r.Value)))]);

    public Language Concat(params ReadOnlySpan<Language> parts)
    {
        Language result = Empty;
        for (int i = parts.Length - 1; i >= 0; i--)
            result = Concat(parts[i], result);
        return result;
    }

    public Language Concat(Language first, Language second)
    {
        if (first == Nothing || second == Nothing)
            return Nothing;
        if (first == Empty)
            return second;
        if (second == Empty)
            return first;
        if (first == Everything && second == Everything)
            return Everything;
        CheckStack();
        // To the right, so that equal continuations are one object.
        return first.Kind == LanguageKind.Concat
            ? Concat(first.Parts[0], Concat(first.Parts[1], second))
            : Intern(new(LanguageKind.Concat, 0, 0, [first, second]), first.Nullable && second.Nullable);
    }

    /// <summary>Expressions of strangers are long and deep; running out of stack would end the process.</summary>
    /// <exception cref="AutomatonTooLargeException">The stack is nearly used up.</exception>
    public static void CheckStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new AutomatonTooLargeException("the expression is too long or too deeply nested");
    }

    public Language Optional(Language part) => Or(Empty, part);

    public Language Star(Language part) => Repeat(part, 0, Unbounded);

    public Language Plus(Language part) => Repeat(part, 1, Unbounded);

    public Language Repeat(Language part, int min, int max)
    {
        if (max == 0 || part == Empty)
            return Empty;
        if (part == Nothing)
            return min == 0 ? Empty : Nothing;
        if (min == 1 && max == 1)
            return part;
        if (part.Nullable)
            min = 0;
        if (part.Kind == LanguageKind.Repeat && part.Min <= 1 && part.Max == Unbounded)
            return Repeat(part.Parts[0], min == 0 ? 0 : part.Min * min, Unbounded);
        return Intern(new(LanguageKind.Repeat, min, max, [part]), min == 0);
    }

    public Language Or(params ReadOnlySpan<Language> parts) => Combine(LanguageKind.Or, parts, Nothing, Everything);

    public Language And(params ReadOnlySpan<Language> parts) => Combine(LanguageKind.And, parts, Everything, Nothing);

    public Language Not(Language part)
    {
        if (part == Nothing)
            return Everything;
        if (part == Everything)
            return Nothing;
        return part.Kind == LanguageKind.Not ? part.Parts[0] : Intern(new(LanguageKind.Not, 0, 0, [part]), !part.Nullable);
    }

    private Language Combine(LanguageKind kind, ReadOnlySpan<Language> parts, Language neutral, Language absorbing)
    {
        var flat = new List<Language>();
        CharSet? set = null;
        foreach (Language part in parts)
        {
            foreach (Language p in part.Kind == kind ? part.Parts : [part])
            {
                if (p == absorbing)
                    return absorbing;
                if (p == neutral)
                    continue;
                if (p.Kind == LanguageKind.Set)
                    set = set is null ? p.Set : kind == LanguageKind.Or ? set.Union(p.Set) : set.Intersect(p.Set);
                else
                    flat.Add(p);
            }
        }

        if (set is not null)
        {
            Language single = Set(set);
            if (single == absorbing)
                return absorbing;
            if (single != neutral)
                flat.Add(single);
        }

        if (kind == LanguageKind.And && flat.Contains(Empty))
            return flat.TrueForAll(p => p.Nullable) ? Empty : Nothing;
        Language[] all = Distinct(flat);
        if (all.Length <= 1)
            return all.Length == 0 ? neutral : all[0];
        bool nullable = kind == LanguageKind.Or ? Array.Exists(all, p => p.Nullable) : Array.TrueForAll(all, p => p.Nullable);
        return Intern(new(kind, 0, 0, all), nullable);
    }

    private static Language[] Distinct(List<Language> parts)
    {
        parts.Sort((a, b) => a.Id.CompareTo(b.Id));
        int count = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            if (count == 0 || parts[count - 1] != parts[i])
                parts[count++] = parts[i];
        }

        return [.. parts[..count]];
    }

    private Language Intern(Key key, bool nullable, CharSet? set = null)
    {
        ref Language? slot = ref CollectionsMarshal.GetValueRefOrAddDefault(known, key, out _);
        if (slot is null && known.Count > Limit)
            throw new AutomatonTooLargeException($"more than {Limit} expressions arise");
        return slot ??= new Language
        {
            Id = known.Count,
            Kind = key.Kind,
            Nullable = nullable,
            Set = set ?? CharSet.None,
            Parts = key.Parts,
            Min = key.A,
            Max = key.B,
        };
    }

    private readonly struct Key(LanguageKind kind, int a, int b, Language[] parts) : IEquatable<Key>
    {
        public LanguageKind Kind => kind;

        public int A => a;

        public int B => b;

        public Language[] Parts => parts;

        public bool Equals(Key other) => Kind == other.Kind && A == other.A && B == other.B && Parts.AsSpan().SequenceEqual(other.Parts);

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(Kind);
            hash.Add(A);
            hash.Add(B);
            foreach (Language part in Parts)
                hash.Add(part.Id);
            return hash.ToHashCode();
        }
    }

    private sealed class CharSetComparer : IEqualityComparer<CharSet>
    {
        public static readonly CharSetComparer Instance = new();

        public bool Equals(CharSet? x, CharSet? y) => x!.Bounds.SequenceEqual(y!.Bounds);

        public int GetHashCode(CharSet obj)
        {
            var hash = new HashCode();
            foreach (int bound in obj.Bounds)
                hash.Add(bound);
            return hash.ToHashCode();
        }
    }
}
