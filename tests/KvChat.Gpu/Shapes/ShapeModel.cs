using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;

namespace KvChat.Gpu.Shapes;

/// <summary>A model of a shape with random weights, which the device makes: nothing is read, and nothing of them is in host memory.</summary>
internal sealed class ShapeModel : IDisposable
{
    private ShapeModel(CudaBackend backend, TransformerModel transformer) => (Backend, Transformer) = (backend, transformer);

    /// <summary>Where it is.</summary>
    public CudaBackend Backend { get; }

    /// <summary>The weights.</summary>
    public TransformerModel Transformer { get; }

    /// <summary>Makes the weights.</summary>
    /// <param name="shape">Sizes, and format of the matrices.</param>
    /// <param name="contextTokens">Longest sequence.</param>
    /// <param name="backend">Where to; the model owns it from now on, and it is disposed of if the making fails.</param>
    /// <exception cref="CudaOutOfMemoryException">The device has too little memory.</exception>
    public static ShapeModel Create(ModelShape shape, int contextTokens, CudaBackend backend)
    {
        try
        {
            return new ShapeModel(backend, TransformerModel.Load(shape.ToConfiguration(contextTokens), TensorNames.Gguf, new Source(shape), backend, pairedRows: false));
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Transformer.Dispose();
        Backend.Dispose();
    }

    /// <summary>Every tensor that the shape has; what a tensor's numbers are hangs on its name alone.</summary>
    private sealed class Source(ModelShape shape) : IWeightSource
    {
        public bool Has(string name) => name.EndsWith(".weight", StringComparison.Ordinal) && !(shape.SharesEmbedding && name == TensorNames.Gguf.Output);

        // Sums over a row of inputs around 1 are around 1, so that no layer outgrows the others.
        public MatrixData Matrix(string name, int rows, int columns, int pairedHeadDim = 0) =>
            new(shape.Weights, rows, columns, new GeneratedWeights(SeedOf(name), 1 / MathF.Sqrt(columns)));

        public float[] Vector(string name, int length)
        {
            float[] ones = new float[length];
            Array.Fill(ones, 1);
            return ones;
        }

        // FNV-1a.
        private static ulong SeedOf(string name) => name.Aggregate(14695981039346656037, (hash, letter) => unchecked((hash ^ letter) * 1099511628211));
    }
}
