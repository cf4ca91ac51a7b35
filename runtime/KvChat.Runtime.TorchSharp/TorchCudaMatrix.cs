using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Weights in fp32 in a torch tensor on a CUDA device: torch multiplies with them, and kernels read rows of them as of any matrix of the CUDA back end.</summary>
internal sealed class TorchCudaMatrix : CudaMatrix
{
    // Kernels read by 16 bytes, wherever a row ends. Weights go to the device by pieces of some 16 MB.
    private const int SpareNumbers = 4;
    private const long PieceNumbers = 4 << 20;

    private readonly TorchCudaProducts _products;
    private readonly TorchPlace.Memory _memory;

    private TorchCudaMatrix(TorchCudaProducts products, int rows, int columns, int[] partRows, TorchPlace.Memory memory)
        : base(products.Queue, rows, columns, partRows, [new Part(memory.Address, WeightFormat.F32, rows, (long)columns * sizeof(float))])
    {
        _products = products;
        _memory = memory;
        using Tensor all = memory.Tensor.narrow(0, 0, (long)rows * columns), values = all.view(rows, columns);
        Transposed = values.t();
    }

    /// <summary>The weights as products want them, <c>[columns, rows]</c>.</summary>
    public Tensor Transposed { get; }

    /// <summary>Decodes the parts one below the other.</summary>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    public static TorchCudaMatrix Load(TorchCudaProducts products, ReadOnlySpan<MatrixData> parts)
    {
        CpuMatrix.CheckShapes(parts);
        int columns = parts[0].Columns, rows = 0;
        int[] partRows = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            rows = checked(rows + (partRows[i] = parts[i].Rows));
        TorchPlace.Memory memory = products.Place.Take(zeros(((long)rows * columns) + SpareNumbers, ScalarType.Float32, products.Place.Device));
        try
        {
            long at = 0;
            foreach (MatrixData part in parts)
            {
                using HostWeights weights = new(part);
                Upload(weights.Data, memory.Tensor, at);
                at += (long)part.Rows * columns;
            }

            return new TorchCudaMatrix(products, rows, columns, partRows, memory);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override bool TryMultiply(in CudaProducts.Source source, in ProductArguments arguments)
    {
        _products.Run(this, source, arguments);
        return true;
    }

    /// <inheritdoc/>
    protected override void Free()
    {
        Transposed.Dispose();
        _memory.Dispose();
    }

    private static unsafe void Upload(MatrixData part, Tensor target, long at)
    {
        int most = (int)Math.Clamp(PieceNumbers / part.Columns, 1, part.Rows);
        using Tensor piece = empty((long)most * part.Columns, ScalarType.Float32);
        float* decoded = TorchTensor.DataOf(piece);
        for (int first = 0, count; first < part.Rows; first += count)
        {
            count = Math.Min(most, part.Rows - first);
            TorchMatrix.Decode(part, first, count, decoded);
            long numbers = (long)count * part.Columns;
            using Tensor source = piece.narrow(0, 0, numbers), place = target.narrow(0, at + ((long)first * part.Columns), numbers), copied = place.copy_(source);
        }
    }
}
