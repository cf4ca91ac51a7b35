using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// The texts of a vocabulary as a tree of bytes, flat and in depth-first order: the subtree of a node follows it directly, so a walk that
/// cannot take a byte jumps over the subtree, and the tokens below a node stand side by side. Immutable.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] labels;
    private readonly byte[] depths;
    private readonly int[] ends;
    private readonly int[] firstTokens;
    private readonly int[] tokens;
    private readonly ByteSet[] below;

    /// <param name="vocabularySize">Number of tokens.</param>
    /// <param name="texts">Tokens with their bytes; none is empty, and none has more than 250 bytes.</param>
    public TokenTrie(int vocabularySize, IEnumerable<(int Id, ReadOnlyMemory<byte> Bytes)> texts)
    {
        VocabularySize = vocabularySize;
        (int Id, ReadOnlyMemory<byte> Bytes)[] sorted = [.. texts];
        Array.Sort(sorted, (a, b) => a.Bytes.Span.SequenceCompareTo(b.Bytes.Span) is int c and not 0 ? c : a.Id.CompareTo(b.Id));
        var labelList = new List<byte> { 0 };
        var firstList = new List<int> { 0 };
        var depthList = new List<byte> { 0 };
        var tokenList = new List<int>(sorted.Length);
        ReadOnlyMemory<byte> before = default;
        foreach ((int id, ReadOnlyMemory<byte> bytes) in sorted)
        {
            for (int d = before.Span.CommonPrefixLength(bytes.Span); d < bytes.Length; d++)
            {
                labelList.Add(bytes.Span[d]);
                depthList.Add((byte)(d + 1));
                firstList.Add(tokenList.Count);
            }

            tokenList.Add(id);
            before = bytes;
            LongestToken = Math.Max(LongestToken, bytes.Length);
        }

        firstList.Add(tokenList.Count);
        labels = [.. labelList];
        depths = [.. depthList];
        firstTokens = [.. firstList];
        tokens = [.. tokenList];
        ends = FindEnds(depths);
        below = FindBelow();
    }

    /// <summary>Most bytes of a token that is taken in; longer ones are runs of spaces or dashes that shorter ones make up as well.</summary>
    public const int MostBytes = 250;

    public int VocabularySize { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int LongestToken { get; }

    public int NodeCount => labels.Length;

    /// <summary>The byte on the edge to a node.</summary>
    public byte Label(int node) => labels[node];

    /// <summary>Bytes from the root to a node.</summary>
    public int Depth(int node) => depths[node];

    /// <summary>The node after the subtree of a node.</summary>
    public int End(int node) => ends[node];

    /// <summary>Whether no token goes on from the node.</summary>
    public bool IsLeaf(int node) => ends[node] == node + 1;

    /// <summary>Tokens whose bytes end at the node.</summary>
    public ReadOnlySpan<int> TokensAt(int node) => tokens.AsSpan(firstTokens[node], firstTokens[node + 1] - firstTokens[node]);

    /// <summary>Tokens that go on from the node.</summary>
    public ReadOnlySpan<int> TokensBelow(int node) => tokens.AsSpan(firstTokens[node + 1], firstTokens[ends[node]] - firstTokens[node + 1]);

    /// <summary>The bytes with which tokens go on from the node, all the way to their ends.</summary>
    public ByteSet Below(int node) => below[node];

    /// <summary>The tokens below some nodes as a trie of what they have left there.</summary>
    public TokenTrie Merge(IReadOnlyCollection<int> nodes)
    {
        var texts = new List<(int, ReadOnlyMemory<byte>)>();
        var path = new byte[MostBytes];
        foreach (int from in nodes)
        {
            for (int node = from + 1; node < ends[from]; node++)
            {
                int depth = depths[node] - depths[from];
                path[depth - 1] = labels[node];
                foreach (int id in TokensAt(node))
                    texts.Add((id, path.AsSpan(0, depth).ToArray()));
            }
        }

        return new TokenTrie(VocabularySize, texts);
    }

    /// <summary>The trie of a tokeniser's ordinary tokens. Control tokens and other structure have no place in a document.</summary>
    public static TokenTrie Of(Tokenizer tokenizer) => new(tokenizer.VocabularySize, Ordinary(tokenizer));

    private static IEnumerable<(int Id, ReadOnlyMemory<byte> Bytes)> Ordinary(Tokenizer tokenizer)
    {
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            byte[] bytes = tokenizer.BytesOf(id).ToArray();
            bool isText = tokenizer.KindOf(id) switch
            {
                TokenKind.Normal or TokenKind.Byte => true,
                TokenKind.UserDefined => Array.TrueForAll(bytes, b => b is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r'),
                _ => false,
            };
            if (isText && bytes.Length is > 0 and <= MostBytes)
                yield return (id, bytes);
        }
    }

    private static int[] FindEnds(byte[] depths)
    {
        var result = new int[depths.Length];
        var open = new Stack<int>();
        for (int n = 0; n < depths.Length; n++)
        {
            while (open.TryPeek(out int top) && depths[top] >= depths[n])
                result[open.Pop()] = n;
            open.Push(n);
        }

        while (open.TryPop(out int rest))
            result[rest] = depths.Length;
        return result;
    }

    private ByteSet[] FindBelow()
    {
        var result = new ByteSet[labels.Length];
        var parents = new int[MostBytes + 1];
        // Backwards: a node comes after its parent, and its own subtree is finished when it is met.
        var parentOf = new int[labels.Length];
        for (int n = 0; n < labels.Length; n++)
        {
            parents[depths[n]] = n;
            parentOf[n] = depths[n] == 0 ? 0 : parents[depths[n] - 1];
        }

        for (int n = labels.Length - 1; n > 0; n--)
            result[parentOf[n]] = result[parentOf[n]].Union(result[n]).With(labels[n]);
        return result;
    }
}
