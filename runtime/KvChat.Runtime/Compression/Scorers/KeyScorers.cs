using System.Buffers;
using System.Numerics.Tensors;

namespace KvChat.Runtime.Compression;

/// <summary>Scores that need no attention: keys or positions alone. They say nothing about a question.</summary>
public abstract class KeyScorer : IKvScorer
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

/// <summary>Short keys matter more (arXiv 2406.11430): the score is minus the key's length.</summary>
public sealed class KeyNormScorer : KeyScorer
{
    /// <inheritdoc/>
    public override string Name => "knorm";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        KvFacts.KeyLengths.Read(head, scores);
        TensorPrimitives.Negate(scores, scores);
    }
}

/// <summary>Keys that differ from the others matter more (KeyDiff, arXiv 2504.15364): minus the cosine between a key and the mean of the normalised keys.</summary>
public sealed class KeyDiffScorer : KeyScorer
{
    private const float Least = 1e-37f; // the inverse of less leaves fp32

    /// <inheritdoc/>
    public override string Name => "keydiff";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        int length = scores.Length, numbers = checked(length * head.HeadDim);
        float[] rented = ArrayPool<float>.Shared.Rent(numbers + length + head.HeadDim);
        Span<float> keys = rented.AsSpan(0, numbers), cosines = rented.AsSpan(numbers, length), mean = rented.AsSpan(numbers + length, head.HeadDim);
        head.ReadKeys(0, keys);
        KvFacts.KeyLengths.Read(head, scores);
        for (int i = 0; i < scores.Length; i++)
            scores[i] = scores[i] > Least ? 1 / scores[i] : 0;
        VectorRows.Sum(keys, scores, mean);

        // A cosine needs the mean's own length too: it differs between heads, which allocators may compare.
        float meanLength = KvFacts.Norm(mean);
        TensorPrimitives.Multiply(mean, meanLength > 0 ? -1 / meanLength : 0, mean);
        VectorRows.Dot(keys, mean, cosines);
        TensorPrimitives.Multiply(scores, cosines, scores);
        ArrayPool<float>.Shared.Return(rented);
    }
}

/// <summary>New KVs matter more than old ones; with sinks this is StreamingLLM (arXiv 2309.17453).</summary>
public sealed class RecencyScorer : KeyScorer
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
public sealed class RandomScorer(int seed = 1) : KeyScorer
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
