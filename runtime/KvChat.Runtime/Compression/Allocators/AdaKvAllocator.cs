namespace KvChat.Runtime.Compression;

/// <summary>
/// The heads of a layer share its budget (Ada-KV, arXiv 2407.11550): each is sure of a part of a uniform share, the rest goes to the best KVs
/// over all of them. Of equal scores the lower head, then the lower index, stays.
/// </summary>
/// <remarks>Counts KVs, not pages: partly filled last pages come on top, less than a page a head.</remarks>
/// <param name="safeguard">Part of a uniform share that each head is sure of, from 0 to 1.</param>
public sealed class AdaKvAllocator(double safeguard = 0.2) : IBudgetAllocator
{
    private uint[] _scratch = [];

    /// <inheritdoc/>
    public string Name => "ada-kv";

    /// <inheritdoc/>
    public void Allocate(in SelectionInput input, Span<bool> keep)
    {
        keep[..input.Scores.Length].Clear();
        int perHead = Math.Max(input.FloorKvs, input.KvsPerHead);
        int sure = Math.Max(input.FloorKvs, (int)(perHead * safeguard));
        int offset = 0;
        for (int first = 0; first < input.Lengths.Length; first += input.KvHeads)
        {
            int start = offset;
            foreach (int length in input.Lengths.Slice(first, input.KvHeads))
            {
                ScoreOrder.KeepHighest(input.Scores.Slice(offset, length), sure, keep.Slice(offset, length), ScoreOrder.Room(ref _scratch, length));
                offset += length;
            }

            Span<bool> layer = keep[start..offset];
            int rest = Math.Max(0, perHead * input.KvHeads - layer.Count(true));
            ScoreOrder.KeepHighest(input.Scores[start..offset], rest, layer, ScoreOrder.Room(ref _scratch, layer.Length));
        }
    }
}
