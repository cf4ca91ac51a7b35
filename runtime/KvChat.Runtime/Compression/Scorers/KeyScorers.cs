using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace KvChat.Runtime.Compression;

/// <summary>Scores that need no attention: what KVs themselves are. They say nothing about a question.</summary>
public abstract class UnobservedScorer : IKvScorer
{
    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public bool SumsOverQueries => false;

    /// <inheritdoc/>
    public bool IsQueryAgnostic => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => Observation.None;

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => Observation.None;

    /// <inheritdoc/>
    public abstract void ReadScores(in ScoredHead head, Span<float> scores);

    /// <summary>Reads a head's positions into an array of the shared pool that the caller gives back.</summary>
    private protected static int[] ReadPositions(in ScoredHead head, int length)
    {
        int[] positions = ArrayPool<int>.Shared.Rent(Math.Max(1, length));
        head.ReadPositions(positions.AsSpan(0, length));
        return positions;
    }
}

/// <summary>
/// Scores from keys. While decoding a KV keeps the score of the first stop that sees it, against what was found when the scorer last saw all of them, at the end of the prompt: the work of a stop
/// is that of the new KVs, and does not grow with the sequence.
/// </summary>
public abstract class KeyScorer : UnobservedScorer
{
    /// <inheritdoc/>
    public sealed override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        if (scores.IsEmpty)
            return;
        int[] rented = ReadPositions(head, scores.Length);
        ReadOnlySpan<int> positions = rented.AsSpan(0, scores.Length);
        HeadMemory memory = head.Memory ?? new HeadMemory();
        int first = memory.Recall(positions, head.LowLength, scores);
        if (first < scores.Length)
        {
            Span<float> found = scores[first..];
            float[] keys = ArrayPool<float>.Shared.Rent(checked(found.Length * head.HeadDim));
            Span<float> read = keys.AsSpan(0, found.Length * head.HeadDim);
            head.ReadKeys(first, read);
            if (first == 0)
                memory.Reference = Refer(head, read, positions, found);
            else
                Score(head, read, positions[first..], memory.Reference, found);
            ArrayPool<float>.Shared.Return(keys);
            head.Memory?.Remember(positions, head.LowLength, scores);
        }

        ArrayPool<int>.Shared.Return(rented);
    }

    /// <summary>Scores of all KVs of a head.</summary>
    /// <param name="head">The head.</param>
    /// <param name="keys">Their keys, <c>[scores.Length, headDim]</c>, to be changed at will.</param>
    /// <param name="positions">Their positions.</param>
    /// <param name="scores">Receives the scores.</param>
    /// <returns>What the scores of later KVs refer to.</returns>
    private protected abstract float[] Refer(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, Span<float> scores);

    /// <summary>Scores of a head's newest KVs.</summary>
    /// <param name="head">The head.</param>
    /// <param name="keys">Their keys, <c>[scores.Length, headDim]</c>, to be changed at will.</param>
    /// <param name="positions">Their positions.</param>
    /// <param name="reference">What <see cref="Refer"/> returned.</param>
    /// <param name="scores">Receives the scores.</param>
    private protected abstract void Score(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, ReadOnlySpan<float> reference, Span<float> scores);

    /// <summary>Length of a vector; summed in fp64, as keys may be large, and lengths that nearly agree are told apart alike on every back end.</summary>
    private protected static float Norm(ReadOnlySpan<float> vector)
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
}

/// <summary>Short keys matter more (arXiv 2406.11430): the score is minus the key's length.</summary>
public sealed class KeyNormScorer : KeyScorer
{
    /// <inheritdoc/>
    public override string Name => "knorm";

    private protected override float[] Refer(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, Span<float> scores)
    {
        Score(head, keys, positions, [], scores);
        return [];
    }

    private protected override void Score(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, ReadOnlySpan<float> reference, Span<float> scores)
    {
        int dim = head.HeadDim;
        for (int i = 0; i < scores.Length; i++)
            scores[i] = -Norm(keys.Slice(i * dim, dim));
    }
}

/// <summary>
/// Keys that differ from the others matter more (KeyDiff, arXiv 2504.15364): minus the cosine between a key and the mean of the normalised keys; while decoding, of those at the end of the prompt.
/// </summary>
public sealed class KeyDiffScorer : KeyScorer
{
    private const float Least = 1e-37f; // the inverse of less leaves fp32

    /// <inheritdoc/>
    public override string Name => "keydiff";

    private protected override float[] Refer(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, Span<float> scores)
    {
        int dim = head.HeadDim;
        float[] mean = new float[dim];
        for (int i = 0; i < scores.Length; i++)
        {
            ReadOnlySpan<float> key = keys.Slice(i * dim, dim);
            scores[i] = Inverse(Norm(key));
            TensorPrimitives.MultiplyAdd(key, scores[i], mean, mean);
        }

        // A cosine needs the mean's own length too: it differs between heads, which allocators may compare.
        float length = Norm(mean);
        TensorPrimitives.Multiply(mean, length > 0 ? -1 / length : 0, mean);
        for (int i = 0; i < scores.Length; i++)
            scores[i] *= TensorPrimitives.Dot(mean, keys.Slice(i * dim, dim));
        return mean;
    }

    private protected override void Score(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, ReadOnlySpan<float> reference, Span<float> scores)
    {
        int dim = head.HeadDim;
        for (int i = 0; i < scores.Length; i++)
        {
            ReadOnlySpan<float> key = keys.Slice(i * dim, dim);
            scores[i] = Inverse(Norm(key)) * TensorPrimitives.Dot(reference, key);
        }
    }

    private static float Inverse(float length) => length > Least ? 1 / length : 0;
}

/// <summary>New KVs matter more than old ones; with sinks this is StreamingLLM (arXiv 2309.17453).</summary>
public sealed class RecencyScorer : UnobservedScorer
{
    /// <inheritdoc/>
    public override string Name => "streaming";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        int[] positions = ReadPositions(head, scores.Length);
        for (int i = 0; i < scores.Length; i++)
            scores[i] = positions[i];
        ArrayPool<int>.Shared.Return(positions);
    }
}

/// <summary>Noise from a seed, the same for the same layer, head and position: the control that every other scorer has to beat.</summary>
/// <param name="seed">Seed.</param>
public sealed class RandomScorer(int seed = 1) : UnobservedScorer
{
    /// <inheritdoc/>
    public override string Name => "random";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        int[] positions = ReadPositions(head, scores.Length);
        for (int i = 0; i < scores.Length; i++)
            scores[i] = Noise(((ulong)(uint)seed << 32) + (uint)positions[i], ((ulong)(uint)head.Layer << 16) + (uint)head.KvHead);
        ArrayPool<int>.Shared.Return(positions);
    }

    // SplitMix64's finisher; the top 24 bits are exact in fp32.
    private static float Noise(ulong value, ulong stream)
    {
        ulong z = value + (stream * 0x9E3779B97F4A7C15) + 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 40) / (float)(1 << 24);
    }
}
