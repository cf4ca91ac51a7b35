namespace KvChat.Gpu.Benchmarks;

/// <summary>How KVs are spread over the heads of sequences.</summary>
internal static class HeadLengths
{
    // From the longest head to the shortest; as eviction leaves them, few heads keep most.
    private const double Longest = 4, Shortest = 0.06;

    /// <summary>All heads alike.</summary>
    public static int[][] Uniform(int sequences, int heads, int context) => [.. Enumerable.Range(0, sequences).Select(_ => Enumerable.Repeat(context, heads).ToArray())];

    /// <summary>Heads that fall off geometrically, in another order in each sequence, with as many KVs in all.</summary>
    public static int[][] Ragged(int sequences, int heads, int context)
    {
        double[] weights = [.. Enumerable.Range(0, heads).Select(i => Longest * Math.Pow(Shortest / Longest, i / Math.Max(1.0, heads - 1)))];
        double sum = weights.Sum();
        int[] lengths = [.. weights.Select(weight => Math.Max(1, (int)(weight / sum * heads * context)))];
        lengths[0] += Math.Max(0, (heads * context) - lengths.Sum());
        Random random = new(3);
        return [.. Enumerable.Range(0, sequences).Select(_ =>
        {
            int[] own = [.. lengths];
            random.Shuffle(own);
            return own;
        })];
    }
}
