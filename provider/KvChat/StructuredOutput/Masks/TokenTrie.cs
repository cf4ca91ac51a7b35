using KvChat.Runtime.Text;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// The texts of a vocabulary as a tree of bytes, flat and in depth-first order: the subtree of a node follows it directly, so a walk that
/// cannot take a byte jumps over the subtree. Immutable.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] labels;
    private readonly int[] ends;
    private readonly int[] firstTokens;
    private readonly int[] tokens;

    /// <param name="vocabularySize">Number of tokens.</param>
    /// <param name="texts">Tokens with their bytes; none is empty.</param>
    public TokenTrie(int vocabularySize, IEnumerable<(int Id, ReadOnlyMemory<byte> Bytes)> texts)
    {
        VocabularySize = vocabularySize;
        (int Id, ReadOnlyMemory<byte> Bytes)[] sorted = [.. texts];
        Array.Sort(sorted, (a, b) => a.Bytes.Span.SequenceCompareTo(b.Bytes.Span) is int c and not 0 ? c : a.Id.CompareTo(b.Id));
        var labelList = new List<byte> { 0 };
        var firstList = new List<int> { 0 };
        var depths = new List<int> { 0 };
        var tokenList = new List<int>(sorted.Length);
        ReadOnlyMemory<byte> before = default;
        foreach ((int id, ReadOnlyMemory<byte> bytes) in sorted)
        {
            for (int d = before.Span.CommonPrefixLength(bytes.Span); d < bytes.Length; d++)
            {
                labelList.Add(bytes.Span[d]);
                depths.Add(d + 1);
                firstList.Add(tokenList.Count);
            }

            tokenList.Add(id);
            before = bytes;
            LongestToken = Math.Max(LongestToken, bytes.Length);
        }

        firstList.Add(tokenList.Count);
        labels = [.. labelList];
        firstTokens = [.. firstList];
        tokens = [.. tokenList];
        ends = FindEnds(depths);
    }

    public int VocabularySize { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int LongestToken { get; }

    public int NodeCount => labels.Length;

    /// <summary>The byte on the edge to a node.</summary>
    public byte Label(int node) => labels[node];

    /// <summary>The node after the subtree of a node.</summary>
    public int End(int node) => ends[node];

    /// <summary>Tokens whose bytes end at the node.</summary>
    public ReadOnlySpan<int> TokensAt(int node) => tokens.AsSpan(firstTokens[node], firstTokens[node + 1] - firstTokens[node]);

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
            if (isText && bytes.Length > 0)
                yield return (id, bytes);
        }
    }

    private static int[] FindEnds(List<int> depths)
    {
        var result = new int[depths.Count];
        var open = new Stack<int>();
        for (int n = 0; n < depths.Count; n++)
        {
            while (open.TryPeek(out int top) && depths[top] >= depths[n])
                result[open.Pop()] = n;
            open.Push(n);
        }

        while (open.TryPop(out int rest))
            result[rest] = depths.Count;
        return result;
    }
}
