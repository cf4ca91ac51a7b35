namespace KvChat.Runtime.Compression;

/// <summary>
/// Budgets fall linearly with depth (PyramidKV, arXiv 2406.02069); the heads of a layer have the same. With n the KVs of a head on average beyond
/// <see cref="SelectionInput.FloorKvs"/>, the last layer has n / 20 of them and the first 2n - n / 20. Where the first would have more than there are, what is left over goes to the
/// last. Of equal scores the lower index stays.
/// </summary>
public sealed class PyramidAllocator : IBudgetAllocator
{
    private const int Steepness = 20;
    private uint[] _scratch = [];

    /// <inheritdoc/>
    public string Name => "pyramid";

    /// <inheritdoc/>
    public void Allocate(in SelectionInput input, Span<bool> keep)
    {
        keep[..input.Scores.Length].Clear();
        int layers = input.Lengths.Length / input.KvHeads, longest = 0, offset = 0;
        foreach (int length in input.Lengths)
            longest = Math.Max(longest, length);
        for (int head = 0; head < input.Lengths.Length; head++)
        {
            int length = input.Lengths[head], budget = Budget(head / input.KvHeads, layers, input.KvsPerHead, input.FloorKvs, longest);
            ScoreOrder.KeepHighest(input.Scores.Slice(offset, length), budget, keep.Slice(offset, length), ScoreOrder.Room(ref _scratch, length));
            offset += length;
        }
    }

    /// <summary>KVs of each head of a layer.</summary>
    /// <param name="layer">Layer, from 0.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="kvsPerHead">KVs of a head on average.</param>
    /// <param name="floorKvs">KVs of a head that do not depend on the layer.</param>
    /// <param name="length">KVs of the longest head.</param>
    public static int Budget(int layer, int layers, int kvsPerHead, int floorKvs, int length)
    {
        int shared = Math.Max(0, kvsPerHead - floorKvs);
        double last = (double)shared / Steepness, first = (2.0 * shared) - last, most = Math.Max(0, length - floorKvs);
        if (first > most)
            (first, last) = (most, Math.Min(most, (2.0 * shared) - most));
        double own = layers == 1 ? (first + last) / 2 : first - ((first - last) * layer / (layers - 1));
        return floorKvs + (int)(own + 1e-9); // a product that is whole on paper may fall just short of it
    }
}
