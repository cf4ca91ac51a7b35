using System.Buffers;
using System.Text;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text;

/// <summary>
/// BPE as SentencePiece does it (Kudo and Richardson 2018): a run is one piece, spaces are U+2581, neighbours merge wherever the vocabulary has
/// their text, the highest score first, and what is left over is written byte by byte. Files of other makers list the merges in the order of their
/// scores instead; then that order counts.
/// </summary>
internal sealed class SentencePieceBpeTokenizer : VocabularyTokenizer
{
    private readonly float[] scores;
    private readonly Dictionary<ulong, (uint Rank, int Id)>? merges;
    private readonly bool addSpacePrefix;
    private readonly bool atStartOnly;
    private readonly bool unlessThere;
    private readonly int unknown;

    public SentencePieceBpeTokenizer(TokenizerData data)
        : base(WithCustomaryIds(data), Decode, spaceIsMarked: true, addBos: true)
    {
        addSpacePrefix = data.AddSpacePrefix ?? true;
        atStartOnly = data.SpacePrefixAtStartOnly;
        unlessThere = data.SpacePrefixUnlessThere;
        merges = data.Merges is { } listed ? MergeList.Read(listed, text => PlainId(text)) : null;
        scores = merges is null ? CheckScores(data) : [];
        unknown = UnknownId ?? -1;
    }

    public override bool StripsLeadingSpace => addSpacePrefix;

    private protected override void EncodeRun(ReadOnlySpan<char> run, int offset, bool fresh, TokenSink sink)
    {
        int prefix = addSpacePrefix && (atStartOnly ? offset == 0 : fresh) && !(unlessThere && run[0] is (' ' or Vocabulary.SentencePieceSpace)) ? 1 : 0;
        char[] rented = ArrayPool<char>.Shared.Rent(run.Length + prefix);
        Span<char> text = rented.AsSpan(0, run.Length + prefix);
        run.CopyTo(text[prefix..]);
        if (prefix == 1)
            text[0] = ' ';
        text.Replace(' ', Vocabulary.SentencePieceSpace);
        MendSurrogates(text);

        PairMerger merger = sink.Merger;
        merger.Clear();
        for (int i = 0; i < text.Length;)
        {
            int length = char.IsHighSurrogate(text[i]) ? 2 : 1;
            merger.Add(i, length, PlainId(text.Slice(i, length)));
            i += length;
        }

        if (merges is null)
            merger.Merge(new ScoreTable(this, text));
        else
            merger.Merge(new RankTable(merges));
        for (int i = merger.First; i >= 0; i = merger[i].Next)
        {
            Symbol symbol = merger[i];
            int start = offset + Math.Max(0, symbol.Start - prefix);
            if (symbol.Id >= 0)
                sink.Add(symbol.Id, start);
            else
                AddBytes(text.Slice(symbol.Start, symbol.Length), start, sink);
        }

        ArrayPool<char>.Shared.Return(rented);
    }

    private void AddBytes(ReadOnlySpan<char> character, int start, TokenSink sink)
    {
        Span<byte> bytes = stackalloc byte[4];
        bytes = bytes[..Encoding.UTF8.GetBytes(character, bytes)];
        bool complete = true;
        foreach (byte b in bytes)
            complete &= Vocabulary.ByteId(b) >= 0;
        if (complete)
        {
            foreach (byte b in bytes)
                sink.Add(Vocabulary.ByteId(b), start);
        }
        else if (unknown >= 0)
        {
            sink.Add(unknown, start);
        }
        else
        {
            sink.DroppedBytes += bytes.Length;
        }
    }

    private int PlainId(ReadOnlySpan<char> text) =>
        text.Length <= Vocabulary.LongestMatch && Vocabulary.Lookup.TryGetValue(text, out int id) && Vocabulary.IsPlain(id) ? id : -1;

    private static void MendSurrogates(Span<char> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                i++;
            else
                text[i] = '\uFFFD';
        }
    }

    private static byte[] Decode(string text) => Encoding.UTF8.GetBytes(text.Replace(Vocabulary.SentencePieceSpace, ' '));

    /// <summary>
    /// Files of SentencePiece's own kind, which have scores, mean the ids that its trainer gives where they do not name them: 0 unknown, 1 beginning, 2 end. Others
    /// number their tokens as they like.
    /// </summary>
    private static TokenizerData WithCustomaryIds(TokenizerData data) => data.Merges is not null ? data : data with
    {
        Unknown = data.Unknown ?? IfKind(data, 0, TokenKind.Unknown),
        Bos = data.Bos ?? IfKind(data, 1, TokenKind.Control),
        Eos = data.Eos ?? IfKind(data, 2, TokenKind.Control),
    };

    private static int? IfKind(TokenizerData data, int id, TokenKind kind) =>
        data.TokenTypes is { } types && id < types.Count && types[id] == (int)kind ? id : null;

    private static float[] CheckScores(TokenizerData data)
    {
        if (data.Scores is not { } given || given.Count != data.Tokens.Count)
            throw new ModelFileException("tokenizer.ggml.scores", null, $"has {data.Scores?.Count ?? 0} scores for {data.Tokens.Count} tokens; there must be as many");
        float[] scores = [.. given];
        int bad = Array.FindIndex(scores, float.IsNaN);
        return bad < 0 ? scores : throw new ModelFileException($"tokenizer.ggml.scores[{bad}]", null, "is not a number; it must be one");
    }

    private readonly ref struct ScoreTable(SentencePieceBpeTokenizer tokenizer, ReadOnlySpan<char> text) : IMergeTable
    {
        private readonly ReadOnlySpan<char> text = text;

        public bool TryMerge(in Symbol left, in Symbol right, out int id, out uint rank)
        {
            id = tokenizer.PlainId(text.Slice(left.Start, left.Length + right.Length));
            rank = id < 0 ? 0 : RankOf(tokenizer.scores[id]);
            return id >= 0;
        }

        /// <summary>
        /// A number that falls as the score rises: with the sign bit flipped (all bits, if negative) the bits of a float sort as it does.
        /// Adding zero makes -0 and 0 one.
        /// </summary>
        private static uint RankOf(float score)
        {
            uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
            return ~((bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000);
        }
    }
}
