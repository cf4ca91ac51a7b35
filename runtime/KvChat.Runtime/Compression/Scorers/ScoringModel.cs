using System.Numerics.Tensors;
using KvChat.Kernels;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Compression;

/// <summary>What scorers know of a model beside its KVs: found when the first request asks for it, and kept. Used from the engine's thread.</summary>
/// <param name="model">The model, or null where no scorer needs it.</param>
/// <param name="poolWidth">Width of the max-pooling where a request names none.</param>
public sealed class ScoringModel(TransformerModel? model, int poolWidth = 1)
{
    private readonly Dictionary<int, float[][]> _outputGrams = [];

    /// <summary>Width of the max-pooling where a request names none.</summary>
    public int PoolWidth { get; } = poolWidth;

    /// <summary>The model's shape.</summary>
    public TransformerConfiguration Shape => Model.Configuration;

    /// <summary>What the model's queries are like.</summary>
    public QueryStatistics Queries => Model.Calibration.Queries(Model);

    private TransformerModel Model { get; } = model!;

    /// <summary>
    /// For each query head of a layer the matrix <c>G = W^T W</c>, <c>[headDim, headDim]</c>, of its part W of the output projection, so that <c>v^T G v</c> is the squared length of what a
    /// value v adds to the residual stream. W is read off the back end by projecting unit vectors.
    /// </summary>
    public IReadOnlyList<float[]> OutputGrams(int layer)
    {
        if (!_outputGrams.TryGetValue(layer, out float[][]? grams))
            _outputGrams.Add(layer, grams = ReadGrams(layer));
        return grams;
    }

    private float[][] ReadGrams(int layer)
    {
        TransformerConfiguration c = Shape;
        IComputeBackend backend = Model.Backend;
        using DeviceTensor units = backend.CreateTensor(c.HeadDim, c.QueryHeads * c.HeadDim), columns = backend.CreateTensor(c.HeadDim, c.Width);
        float[] unit = new float[c.QueryHeads * c.HeadDim];
        float[][] read = [.. Enumerable.Range(0, c.HeadDim).Select(_ => new float[c.Width])];
        var grams = new float[c.QueryHeads][];
        for (int head = 0; head < c.QueryHeads; head++)
        {
            for (int i = 0; i < c.HeadDim; i++)
            {
                unit[(head * c.HeadDim) + i] = 1;
                backend.Write(units, i, unit);
                unit[(head * c.HeadDim) + i] = 0;
            }

            backend.Linear(new LinearOperation { Input = units, Rows = c.HeadDim, Weight = Model.Layers[layer].AttentionOutput, Output = columns });
            for (int i = 0; i < c.HeadDim; i++)
                backend.Read(columns, i, read[i]);
            float[] gram = grams[head] = new float[c.HeadDim * c.HeadDim];
            for (int i = 0; i < c.HeadDim; i++)
            {
                for (int j = 0; j <= i; j++)
                    gram[(i * c.HeadDim) + j] = gram[(j * c.HeadDim) + i] = TensorPrimitives.Dot<float>(read[i], read[j]);
            }
        }

        return grams;
    }
}
