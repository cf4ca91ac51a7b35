namespace KvChat.Runtime.Compression;

/// <summary>
/// Every head keeps the same number of KVs, its best ones (SnapKV, arXiv 2404.14469); of equal scores the lower index stays.
/// A head with fewer KVs keeps them all, and what it does not need is not given to others.
/// </summary>
public sealed class UniformAllocator : IBudgetAllocator
{
    private uint[] _scratch = [];

    /// <inheritdoc/>
    public string Name => "uniform";

    /// <inheritdoc/>
    public void Allocate(in SelectionInput input, Span<bool> keep)
    {
        keep[..input.Scores.Length].Clear();
        int offset = 0;
        foreach (int length in input.Lengths)
        {
            ScoreOrder.KeepHighest(input.Scores.Slice(offset, length), Math.Max(input.FloorKvs, input.KvsPerHead), keep.Slice(offset, length),
                ScoreOrder.Room(ref _scratch, length));
            offset += length;
        }
    }
}
