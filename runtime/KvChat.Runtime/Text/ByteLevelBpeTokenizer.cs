using System.Buffers;
using System.Text;
using KvChat.Runtime.Models;
using KvChat.Runtime.Text.PreTokenizers;

namespace KvChat.Runtime.Text;

/// <summary>
/// Byte-level BPE (GPT-2, Radford et al. 2019): the text is cut into pieces, and the bytes of each are merged pair by pair, the earliest merge of
/// the file's list first. A byte that the vocabulary lacks is dropped and counted.
/// </summary>
internal sealed class ByteLevelBpeTokenizer : VocabularyTokenizer
{
    private readonly PreTokenizer preTokenizer;
    private readonly bool ignoreMerges;
    private readonly bool normalizesToNfc;
    private readonly Dictionary<ulong, (uint Rank, int Id)> merges;
    private readonly int[] byteIds = new int[256];
    private readonly PieceCache cache = new();

    public ByteLevelBpeTokenizer(TokenizerData data)
        : this(data, PreTokenizerTable.Find(data.Pre))
    {
    }

    private ByteLevelBpeTokenizer(TokenizerData data, PreTokenizerEntry pre)
        : base(data, ByteAlphabet.Decode, spaceIsMarked: false, addBos: pre.AddBos)
    {
        preTokenizer = pre.PreTokenizer;
        ignoreMerges = data.IgnoreMerges ?? pre.IgnoreMerges;
        normalizesToNfc = data.NormalizesToNfc;
        merges = MergeList.Read(
            data.Merges ?? throw new ModelFileException("tokenizer.ggml.merges", null, "is missing; byte-level BPE needs merges, if only an empty list"), text => PlainId(text));
        for (int b = 0; b < 256; b++)
            byteIds[b] = PlainId([ByteAlphabet.CharacterOf((byte)b)]) is >= 0 and int id ? id : Vocabulary.ByteId((byte)b);
    }

    private protected override void EncodeRun(ReadOnlySpan<char> run, int offset, bool fresh, TokenSink sink)
    {
        if (normalizesToNfc && NormalForm.Differs(run))
        {
            int before = sink.Count;
            (string text, int[] origins) = NormalForm.Of(run);
            EncodePieces(text, 0, sink);
            sink.MoveStarts(before, origins, offset);
            return;
        }

        EncodePieces(run, offset, sink);
    }

    private void EncodePieces(ReadOnlySpan<char> run, int offset, TokenSink sink)
    {
        List<int> ends = sink.PieceEnds;
        ends.Clear();
        preTokenizer.Cut(run, ends);
        int start = 0;
        foreach (int end in ends)
        {
            ReadOnlySpan<char> piece = run[start..end];
            if (!cache.TryAdd(piece, offset + start, sink))
                EncodePiece(piece, offset + start, sink);
            start = end;
        }
    }

    private void EncodePiece(ReadOnlySpan<char> piece, int offset, TokenSink sink)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(piece.Length));
        Span<byte> bytes = rented.AsSpan(0, Encoding.UTF8.GetBytes(piece, rented));
        int before = sink.Count;
        int dropped = 0;
        if (ignoreMerges && WholePiece(bytes) is >= 0 and int whole)
            sink.Add(whole, offset);
        else
            dropped = MergeBytes(bytes, piece, offset, sink);
        sink.DroppedBytes += dropped;
        if (dropped == 0)
            cache.Keep(piece, offset, sink, before);
        ArrayPool<byte>.Shared.Return(rented);
    }

    private int MergeBytes(ReadOnlySpan<byte> bytes, ReadOnlySpan<char> piece, int offset, TokenSink sink)
    {
        PairMerger merger = sink.Merger;
        merger.Clear();
        int dropped = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (byteIds[bytes[i]] >= 0)
                merger.Add(i, 1, byteIds[bytes[i]]);
            else
                dropped++;
        }

        merger.Merge(new RankTable(merges));
        // Tokens start at bytes; the character that holds the byte is found by walking along.
        int character = 0;
        int characterEnd = 0;
        int next = 0;
        for (int i = merger.First; i >= 0; i = merger[i].Next)
        {
            while (characterEnd <= merger[i].Start)
            {
                character = next;
                Rune.DecodeFromUtf16(piece[next..], out Rune rune, out int length);
                next += length;
                characterEnd += rune.Utf8SequenceLength;
            }

            sink.Add(merger[i].Id, offset + character);
        }

        return dropped;
    }

    private int WholePiece(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > Vocabulary.LongestMatch)
            return -1;
        Span<char> text = stackalloc char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
            text[i] = ByteAlphabet.CharacterOf(bytes[i]);
        return PlainId(text);
    }

    /// <summary>The token of a vocabulary text that ordinary text may become, or -1: structure is never made by merging.</summary>
    private int PlainId(ReadOnlySpan<char> text) => Vocabulary.Lookup.TryGetValue(text, out int id) && Vocabulary.IsPlain(id) ? id : -1;
}
