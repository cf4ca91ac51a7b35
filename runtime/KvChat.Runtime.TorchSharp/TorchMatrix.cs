using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Weights in fp32, <c>[rows, columns]</c>: torch multiplies no blocks of ggml's formats.</summary>
internal sealed unsafe class TorchMatrix : DeviceMatrix
{
    private TorchMatrix(int rows, int columns, int[] partRows)
        : base(rows, columns, partRows)
    {
        Values = empty(rows, columns, ScalarType.Float32);
        Transposed = Values.t();
    }

    /// <summary>The weights.</summary>
    public Tensor Values { get; }

    /// <summary>The same memory, <c>[columns, rows]</c>, as products want it.</summary>
    public Tensor Transposed { get; }

    /// <inheritdoc/>
    public override long Bytes => (long)Rows * Columns * sizeof(float);

    /// <summary>Decodes the parts one below the other.</summary>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    public static TorchMatrix Load(ReadOnlySpan<MatrixData> parts)
    {
        CpuMatrix.CheckShapes(parts);
        int[] partRows = new int[parts.Length];
        int rows = 0;
        for (int i = 0; i < parts.Length; i++)
            rows = checked(rows + (partRows[i] = parts[i].Rows));
        TorchMatrix matrix = new(rows, parts[0].Columns, partRows);
        float* target = TorchTensor.DataOf(matrix.Values);
        foreach (MatrixData part in parts)
        {
            using HostWeights weights = new(part);
            Decode(weights.Data, 0, part.Rows, target);
            target += (long)part.Rows * part.Columns;
        }

        return matrix;
    }

    /// <summary>The matrix as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static TorchMatrix From(DeviceMatrix matrix, string name) => matrix as TorchMatrix
        ?? throw new ArgumentException($"A {matrix?.GetType().Name ?? "null"} is no matrix of the TorchSharp back end.", name);

    /// <inheritdoc/>
    public override void Dispose()
    {
        Transposed.Dispose();
        Values.Dispose();
    }

    /// <summary>Decodes rows of a part.</summary>
    public static void Decode(MatrixData part, int first, int count, float* target)
    {
        long rowBytes = WeightFormats.RowBytes(part.Format, part.Columns);
        Parallel.For(0, count, row =>
            Dequantizer.Dequantize(part.Format, part.Data + (part.SourceRow(first + row) * rowBytes), target + ((long)row * part.Columns), part.Columns));
    }
}
