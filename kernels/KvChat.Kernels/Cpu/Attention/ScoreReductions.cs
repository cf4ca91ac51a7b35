namespace KvChat.Kernels.Cpu.Attention;

/// <summary>How attention weights become a score: over the query heads of a group, then over rows. Loops over KVs are compiled once for each.</summary>
internal interface IScoreReduction<TVector>
    where TVector : unmanaged
{
    /// <summary>A group's score so far with the attention weights of one more head.</summary>
    static abstract TVector OverGroup(TVector attention, TVector score);

    /// <summary>A score with that of one more row.</summary>
    static abstract TVector OverRows(TVector row, TVector score);
}

/// <summary>Sums of weights.</summary>
internal readonly struct SumOfWeights<TSimd, TVector> : IScoreReduction<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static TVector OverGroup(TVector attention, TVector score) => TSimd.Add(score, attention);

    public static TVector OverRows(TVector row, TVector score) => TSimd.Add(score, row);
}

/// <summary>Sums of squared weights.</summary>
internal readonly struct SumOfSquares<TSimd, TVector> : IScoreReduction<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static TVector OverGroup(TVector attention, TVector score) => TSimd.Fma(attention, attention, score);

    public static TVector OverRows(TVector row, TVector score) => TSimd.Add(score, row);
}

/// <summary>Sums over rows of the largest weight of the group.</summary>
internal readonly struct SumOfLargest<TSimd, TVector> : IScoreReduction<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static TVector OverGroup(TVector attention, TVector score) => TSimd.Greater(attention, score);

    public static TVector OverRows(TVector row, TVector score) => TSimd.Add(score, row);
}

/// <summary>The largest weight of all.</summary>
internal readonly struct LargestWeight<TSimd, TVector> : IScoreReduction<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static TVector OverGroup(TVector attention, TVector score) => TSimd.Greater(attention, score);

    public static TVector OverRows(TVector row, TVector score) => TSimd.Greater(row, score);
}
