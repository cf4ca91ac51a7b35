using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// A softmax over some KVs: <c>[0]</c> the largest logit, <c>[1]</c> the sum of exponentials against it, from <see cref="AttentionSizes.RecordHeader"/>
/// on the sum of values weighted with them.
/// </summary>
internal static unsafe class SoftmaxRecord
{
    /// <summary>Nothing seen yet.</summary>
    public static void Clear(float* record, int headDim)
    {
        new Span<float>(record, headDim + AttentionSizes.RecordHeader).Clear();
        record[0] = float.NegativeInfinity;
    }

    /// <summary>Factors that bring two records to their common maximum, which becomes that of the first; false where the second has seen nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Rescale(float* record, float* segment, out float keep, out float add)
    {
        keep = 1;
        add = 1;

        // The largest logit adds 1 to the sum: 0 means that nothing was visible, or that all of it had the weight 0. A NaN goes on.
        if (segment[1] == 0)
            return false;
        float old = record[0], now = segment[0], largest = now > old ? now : old;
        keep = ScalarMath.Exp(old - largest);
        add = ScalarMath.Exp(now - largest);
        record[0] = largest;
        record[1] = MathF.FusedMultiplyAdd(record[1], keep, segment[1] * add);
        return true;
    }

    /// <summary>1 / sum, or 0 where nothing has been seen.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Reciprocal(float* record) => record[1] == 0 ? 0 : 1f / record[1];

    /// <summary>Adds a segment to what came before it.</summary>
    public static void Merge(float* record, float* segment, int headDim)
    {
        if (!Rescale(record, segment, out float keep, out float add))
            return;
        float* a = record + AttentionSizes.RecordHeader, b = segment + AttentionSizes.RecordHeader;
        for (int i = 0; i < headDim; i++)
            a[i] = MathF.FusedMultiplyAdd(a[i], keep, b[i] * add);
    }

    /// <summary>Divides by the sum, and notes maximum and reciprocal sum if asked to.</summary>
    public static void Finish(float* record, float* output, int headDim, float* statistics)
    {
        float reciprocal = Reciprocal(record);
        float* weighted = record + AttentionSizes.RecordHeader;
        for (int i = 0; i < headDim; i++)
            output[i] = weighted[i] * reciprocal;
        if (statistics == null)
            return;
        statistics[0] = record[0];
        statistics[1] = reciprocal;
    }

    /// <summary>What the probabilities of a segment are multiplied with to be those of the whole row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SegmentWeight(float segmentMaximum, float* statistics) =>
        segmentMaximum == float.NegativeInfinity ? 0 : ScalarMath.Exp(segmentMaximum - statistics[0]) * statistics[1];
}
