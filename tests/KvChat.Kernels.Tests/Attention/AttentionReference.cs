namespace KvChat.Kernels.Tests.Attention;

/// <summary>Attention from its formula, in fp64, with the whole matrix in memory.</summary>
public sealed class AttentionReference
{
    private readonly AttentionWorld _world;
    private readonly int _sequence;
    private readonly int _head;
    private readonly float[] _keys;
    private readonly float[] _values;
    private readonly int[] _positions;
    private readonly float[] _logWeights;

    /// <summary>Reads a head as it is after a step, the right end before the left one; <paramref name="logWeights"/> may be null.</summary>
    public AttentionReference(AttentionWorld world, int sequence, int head, float[]? logWeights = null)
    {
        _world = world;
        _sequence = sequence;
        _head = head;
        HeadView view = world.Head(sequence, head);
        int low = view.LowLength, headDim = world.Layer.HeadDim;
        _keys = new float[(low + view.Length) * headDim];
        _values = new float[_keys.Length];
        _positions = new int[low + view.Length];
        _logWeights = logWeights ?? new float[_positions.Length];
        Read(view.LowEnd, world.LowFormatOf(sequence), 0);
        Read(view, world.FormatOf(sequence), low);

        void Read(HeadView end, KvFormat format, int first)
        {
            world.Arena.ReadKeys(end, format, _keys.AsSpan(first * headDim, end.Length * headDim));
            world.Arena.ReadValues(end, format, _values.AsSpan(first * headDim, end.Length * headDim));
            world.Arena.ReadPositions(end, format, _positions.AsSpan(first, end.Length));
        }
    }

    public int Length => _positions.Length;

    /// <summary>Attention weights of a query that sees the first <paramref name="visible"/> KVs.</summary>
    public double[] Weights(ReadOnlySpan<float> query, int visible, int position)
    {
        LayerShape layer = _world.Layer;
        double[] weights = new double[Length];
        double largest = double.NegativeInfinity, sum = 0;
        for (int j = 0; j < visible; j++)
        {
            double logit = 0;
            for (int i = 0; i < layer.HeadDim; i++)
                logit += (double)query[i] * _keys[(j * layer.HeadDim) + i];
            logit *= layer.Scale;
            if (layer.SoftCap != 0)
                logit = layer.SoftCap * Math.Tanh(logit / layer.SoftCap);
            weights[j] = IsSeen(j, position) ? logit + _logWeights[j] : double.NegativeInfinity;
            largest = Math.Max(largest, weights[j]);
        }

        for (int j = 0; j < visible; j++)
            sum += weights[j] = Math.Exp(weights[j] - largest);
        for (int j = 0; j < visible; j++)
            weights[j] /= sum;
        return weights;
    }

    public double[] Output(double[] weights)
    {
        double[] output = new double[_world.Layer.HeadDim];
        for (int j = 0; j < Length; j++)
        {
            for (int i = 0; i < output.Length; i++)
                output[i] += weights[j] * _values[(j * output.Length) + i];
        }

        return output;
    }

    /// <summary>Attention weights of all query heads of the group in a step's row.</summary>
    public double[][] GroupWeights(StepResult step, int firstRow, int rows, int row)
    {
        LayerShape layer = _world.Layer;
        double[][] result = new double[layer.Group][];
        for (int g = 0; g < layer.Group; g++)
        {
            int head = (_head * layer.Group) + g;
            ReadOnlySpan<float> query = step.Rows[firstRow + row].AsSpan(head * layer.HeadDim, layer.HeadDim);
            result[g] = Weights(query, Length - rows + row + 1, step.Positions[firstRow + row]);
        }

        return result;
    }

    /// <summary>Scores of an observation window over the step's last rows.</summary>
    public double[] WindowScores(StepResult step, int firstRow, int rows, StepPart part)
    {
        double[][] sums = [.. Enumerable.Range(0, _world.Layer.Group).Select(_ => new double[Length])];
        for (int row = rows - part.ObservedRows; row < rows; row++)
        {
            double[][] weights = GroupWeights(step, firstRow, rows, row);
            double factor = part.RowWeights?[row] ?? 1;
            for (int g = 0; g < sums.Length; g++)
            {
                for (int j = 0; j < Length; j++)
                    sums[g][j] = Recorded(part, sums[g][j], factor * weights[g][j]);
            }
        }

        int reach = part.PoolWidth / 2;
        double[] scores = new double[Length];
        for (int j = 0; j < Length; j++)
        {
            int from = Math.Max(0, j - reach), to = Math.Min(Length - 1, j + reach);
            IEnumerable<double> pooled = sums.Select(s => part.AveragePool ? s[from..(to + 1)].Sum() / part.PoolWidth : s[from..(to + 1)].Max());
            scores[j] = part.Largest || part.LargestOfGroup ? pooled.Max() : pooled.Sum();
        }

        return scores;
    }

    private static double Recorded(StepPart part, double sum, double weight) =>
        part.Largest ? Math.Max(sum, weight) : sum + (part.Squared ? weight * weight : weight);

    private bool IsSeen(int kv, int position) =>
        _world.Layer.SlidingWindow == 0 || _positions[kv] > position - _world.Layer.SlidingWindow;

    public override string ToString() => $"sequence {_sequence}, head {_head}";
}
