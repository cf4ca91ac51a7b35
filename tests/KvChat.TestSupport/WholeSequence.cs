using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Transformer;

namespace KvChat.TestSupport;

/// <summary>One sequence read in one forward pass, with a full cache in F32 of its own.</summary>
public static class WholeSequence
{
    /// <summary>Pages are as large as their tokens in 16 bits; in F32 they hold half as many.</summary>
    private const int PageTokens = 16, PageTokensInF32 = PageTokens / 2, SparePages = 2;

    /// <summary>Logits of every position, <c>[tokens][vocabulary]</c>.</summary>
    public static float[][] Logits(TransformerModel model, int[] ids)
    {
        TransformerConfiguration c = model.Configuration;
        using KvArena arena = model.Backend.CreateArena(new KvArenaShape(c.HeadDim, PageTokens, c.TotalKvHeads * ((ids.Length / PageTokensInF32) + SparePages)));
        using var cache = new SequenceCache(new PagePool(arena), c.Layers, c.KvHeads, KvFormat.F32);
        using var pass = new ForwardPass(model, arena, ids.Length, ids.Length);
        if (!cache.TryReserve(ids.Length))
            throw new InvalidOperationException($"{ids.Length} tokens do not fit into an arena that was made for them.");
        int[] rows = [.. Enumerable.Range(0, ids.Length)];
        var batch = new KvBatch
        {
            Sequences = [new SequenceSlice { FirstRow = 0, RowCount = ids.Length, Format = KvFormat.F32, UsesLongRotary = ids.Length > c.ShortRotaryTokens }],
            SequenceCount = 1,
            Positions = rows,
            RowCount = ids.Length,
            Heads = new HeadView[c.KvHeads],
        };
        pass.Run(batch, [cache], ids, rows);
        var logits = new float[ids.Length][];
        for (int i = 0; i < logits.Length; i++)
            pass.ReadLogits(i, logits[i] = new float[c.VocabularySize]);
        return logits;
    }
}
