using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace KvChat.Runtime.Compression;

/// <summary>
/// The part of a score that depends on a KV alone, and not on the others or on what was asked since: measured by the first stop that sees the KV, and remembered, so that the stops while
/// decoding measure new KVs alone.
/// </summary>
internal abstract class KvFacts
{
    /// <summary>Lengths of keys.</summary>
    public static KvFacts KeyLengths { get; } = new LengthsOfKeys();

    /// <summary>Numbers for each KV of a head.</summary>
    public abstract int Count(in ScoredHead head);

    /// <summary>Reads the facts of all KVs of a head, and measures those that are not remembered.</summary>
    /// <param name="head">The head.</param>
    /// <param name="facts">Receives them, <c>[<see cref="Count"/>, length]</c>.</param>
    public void Read(in ScoredHead head, Span<float> facts)
    {
        int length = head.Length;
        if (length == 0)
            return;
        int[] rented = ArrayPool<int>.Shared.Rent(length);
        Span<int> positions = rented.AsSpan(0, length);
        head.ReadPositions(positions);
        int first = head.Memory?.Recall(positions, head.LowLength, facts) ?? 0;
        if (first < length)
        {
            Measure(head, first, positions, facts);
            head.Memory?.Remember(positions, head.LowLength, facts);
        }

        ArrayPool<int>.Shared.Return(rented);
    }

    /// <summary>Length of a vector; summed in fp64, as keys may be large, and lengths that nearly agree are told apart alike on every back end.</summary>
    public static float Norm(ReadOnlySpan<float> vector)
    {
        Vector256<double> lower = default, upper = default;
        int i = 0;
        for (; i <= vector.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            (Vector256<double> first, Vector256<double> second) = Vector256.Widen(Vector256.Create(vector[i..]));
            lower += first * first;
            upper += second * second;
        }

        double sum = Vector256.Sum(lower + upper);
        for (; i < vector.Length; i++)
            sum += (double)vector[i] * vector[i];
        return (float)Math.Sqrt(sum);
    }

    /// <summary>Measures KVs.</summary>
    /// <param name="head">The head.</param>
    /// <param name="first">The first of them: 0, or one of the left end.</param>
    /// <param name="positions">Positions of all KVs.</param>
    /// <param name="facts">Of each row what stands from <paramref name="first"/> on is to be written.</param>
    protected abstract void Measure(in ScoredHead head, int first, ReadOnlySpan<int> positions, Span<float> facts);

    private sealed class LengthsOfKeys : KvFacts
    {
        public override int Count(in ScoredHead head) => 1;

        protected override void Measure(in ScoredHead head, int first, ReadOnlySpan<int> positions, Span<float> facts)
        {
            int dim = head.HeadDim, numbers = checked((facts.Length - first) * dim);
            float[] keys = ArrayPool<float>.Shared.Rent(numbers);
            head.ReadKeys(first, keys.AsSpan(0, numbers));
            for (int i = first; i < facts.Length; i++)
                facts[i] = Norm(keys.AsSpan((i - first) * dim, dim));
            ArrayPool<float>.Shared.Return(keys);
        }
    }
}
