using System.Buffers;
using System.Numerics.Tensors;
using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Scores of KVzip (arXiv 2505.23416): the model reads the prompt once more behind itself, and a KV's score is the largest attention weight that any query of that
/// pass, of any query head of the group, gives it. Says nothing about a question. Decoding queries raise the scores in the same way.
/// </summary>
/// <remarks>
/// The largest weights are then max-pooled along tokens by <see cref="KvCompression.PoolWidth"/>, which the paper does not do: a pass that copies looks at the token that comes next, a question at
/// what identifies the fact, and both lie within its width. Without it the embedded model keeps 88 % of its answers over <c>prose-4k</c> at 4x and at 8x, with a width of 25 100 and 95 % (40 questions); a width of 1 is the paper's.
/// </remarks>
/// <param name="weighsValues">
/// Whether it is KVzip+: a row's weights are divided by the length of its hidden state, and a score is multiplied by the length of what its value adds to the residual stream,
/// <c>|W_O v|</c>, the largest over the group. False for KVzip.
/// </param>
public sealed class RepeatScorer(bool weighsValues = false) : IKvScorer
{
    private static readonly AddedLengths Added = new();

    /// <inheritdoc/>
    public string Name => weighsValues ? "kvzip-plus" : "kvzip";

    /// <inheritdoc/>
    public bool SumsOverQueries => false;

    /// <inheritdoc/>
    public bool IsQueryAgnostic => true;

    /// <inheritdoc/>
    public bool Repeats => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => Observation.None;

    /// <inheritdoc/>
    public Observation ObserveRow(KvCompression settings) => new(ObservationMode.Accumulate, int.MaxValue, 1, false, Largest: true, OverHidden: weighsValues);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => RunningSumScorer.Decode(settings) with { Largest = true, OverHidden = weighsValues };

    /// <inheritdoc/>
    public void ReadScores(in ScoredHead head, Span<float> scores)
    {
        head.ReadRecorded(scores);
        if (weighsValues)
        {
            float[] rented = ArrayPool<float>.Shared.Rent(Math.Max(1, scores.Length));
            Span<float> added = rented.AsSpan(0, scores.Length);
            Added.Read(head, added);
            TensorPrimitives.Multiply(scores, added, scores);
            ArrayPool<float>.Shared.Return(rented);
        }

        int width = head.Settings.PoolWidth ?? head.Model.PoolWidth;
        Pool(scores[..head.LowLength], width); // neighbours are those of the same end
        Pool(scores[head.LowLength..], width);
    }

    /// <summary>Replaces each score by the largest of those at most half a width away: runs of 2, 4, 8 ... scores first, of which the longest that fits covers a window from both ends.</summary>
    private static void Pool(Span<float> scores, int width)
    {
        if (width <= 1 || scores.Length < 2)
            return;
        int reach = width / 2, padded = scores.Length + (2 * reach), run = 1, window = (2 * reach) + 1;
        float[] rented = ArrayPool<float>.Shared.Rent(2 * padded);
        Span<float> largest = rented.AsSpan(0, padded), next = rented.AsSpan(padded, padded);
        largest[..reach].Fill(float.NegativeInfinity);
        scores.CopyTo(largest[reach..]);
        largest[^reach..].Fill(float.NegativeInfinity);
        for (; 2 * run <= window; run *= 2)
        {
            int count = padded - (2 * run) + 1;
            TensorPrimitives.Max(largest[..count], largest.Slice(run, count), next[..count]);
            Span<float> swapped = largest;
            largest = next;
            next = swapped;
        }

        TensorPrimitives.Max(largest[..scores.Length], largest.Slice(window - run, scores.Length), scores);
        ArrayPool<float>.Shared.Return(rented);
    }

    /// <summary>Length of what a value adds to the residual stream, the largest over the group.</summary>
    private sealed class AddedLengths : KvFacts
    {
        public override int Count(in ScoredHead head) => 1;

        protected override void Measure(in ScoredHead head, int first, ReadOnlySpan<int> positions, Span<float> facts)
        {
            Span<float> lengths = facts[first..];
            int dim = head.HeadDim, group = head.Model.Shape.QueryHeads / head.Model.Shape.KvHeads, numbers = checked(lengths.Length * dim);
            IReadOnlyList<float[]> grams = head.Model.OutputGrams(head.Layer);
            float[] values = ArrayPool<float>.Shared.Rent(numbers), squares = ArrayPool<float>.Shared.Rent(lengths.Length);
            Span<float> own = squares.AsSpan(0, lengths.Length);
            head.ReadValues(first, values.AsSpan(0, numbers));
            lengths.Clear();
            for (int member = 0; member < group; member++)
            {
                VectorRows.QuadraticForms(grams[(head.KvHead * group) + member], values.AsSpan(0, numbers), dim, own);
                TensorPrimitives.Max(lengths, own, lengths);
            }

            TensorPrimitives.Sqrt(lengths, lengths);
            ArrayPool<float>.Shared.Return(values);
            ArrayPool<float>.Shared.Return(squares);
        }
    }
}
