using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// Masks inside strings of which the length alone is bounded, near their bounds: tokens are sorted once by how many characters they add,
/// and a mask is put together from what may be added. Not thread-safe.
/// </summary>
internal sealed class UniformMasks
{
    /// <summary>Most bytes that finish a character: the rest of a surrogate pair behind its first backslash.</summary>
    private const int LongestRestOfCharacter = 11;

    private readonly int words;
    private readonly SortedDictionary<int, Group> groups = [];

    /// <param name="trie">The vocabulary.</param>
    /// <param name="words">Words of a mask.</param>
    /// <param name="bundle">Makes few exits out of many.</param>
    public UniformMasks(TokenTrie trie, int words, Func<List<Exit>, Exit[]> bundle)
    {
        this.words = words;
        var exits = new SortedDictionary<int, List<Exit>>();
        Sort(trie, 0, JsonLexemes.AnyText.Between(0), 0, exits);
        foreach ((int characters, List<Exit> list) in exits)
            At(characters).Exits = bundle(list);
    }

    /// <summary>The mask between characters of a string.</summary>
    /// <param name="atLeast">Fewest further characters.</param>
    /// <param name="atMost">Most further characters.</param>
    public LexemeMask MaskOf(int atLeast, long atMost)
    {
        var bits = new ulong[words];
        var exits = new List<Exit>();
        int added = 0;
        foreach ((int characters, Group group) in groups)
        {
            if (characters > atMost)
                break;
            added += Add(group.Staying, bits);
            if (characters < atLeast)
                continue;
            added += Add(group.Closing, bits);
            exits.AddRange(group.Exits);
        }

        return new LexemeMask(TokenSet.From(bits, added), Math.Max(0, atLeast) + 1 + LongestRestOfCharacter, [.. exits]);
    }

    private static int Add(List<int> tokens, ulong[] bits)
    {
        foreach (int id in tokens)
            bits[id >> 6] |= 1UL << (id & 63);
        return tokens.Count;
    }

    private Group At(int characters)
    {
        if (!groups.TryGetValue(characters, out Group? group))
            groups[characters] = group = new Group();
        return group;
    }

    private void Sort(TokenTrie trie, int from, ByteNode at, int characters, SortedDictionary<int, List<Exit>> exits)
    {
        int end = trie.End(from);
        for (int node = from + 1; node < end; node = trie.End(node))
        {
            if (at.Next(trie.Label(node)) is not { } next)
                continue;
            int now = characters + (next.IsCharacter ? 1 : 0);
            if (next.Accepts)
            {
                At(now).Closing.AddRange(trie.TokensAt(node));
                if (!trie.IsLeaf(node))
                    (exits.TryGetValue(now, out List<Exit>? list) ? list : exits[now] = []).Add(new Exit(trie, node));
                continue;
            }

            // A character that has begun counts.
            At(now + (next.IsCharacter ? 0 : 1)).Staying.AddRange(trie.TokensAt(node));
            Sort(trie, node, next, now, exits);
        }
    }

    private sealed class Group
    {
        public List<int> Staying { get; } = [];

        public List<int> Closing { get; } = [];

        public Exit[] Exits { get; set; } = [];
    }
}
