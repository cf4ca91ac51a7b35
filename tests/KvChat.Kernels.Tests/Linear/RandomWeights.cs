using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>Weights of any format with random codes and sane scales, and what they mean in fp32.</summary>
public sealed unsafe class RandomWeights
{
    public RandomWeights(WeightFormat format, int rows, int columns, int seed, int pairedHeadDim = 0)
    {
        Format = format;
        Rows = rows;
        Columns = columns;
        PairedHeadDim = pairedHeadDim;
        int rowBytes = (int)WeightFormats.RowBytes(format, columns);
        Bytes = GC.AllocateArray<byte>(rows * rowBytes, pinned: true);
        Random random = new(seed);
        random.NextBytes(Bytes);
        int block = WeightFormats.BlockBytes(format);
        for (int at = 0; at < Bytes.Length; at += block)
        {
            SetScales(Bytes.AsSpan(at, block), random);
        }

        Values = new float[rows * columns];
        for (int row = 0; row < rows; row++)
        {
            int source = Data.SourceRow(row);
            Dequantizer.Dequantize(format, Bytes.AsSpan(source * rowBytes, rowBytes), Values.AsSpan(row * columns, columns));
        }
    }

    public WeightFormat Format { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int PairedHeadDim { get; }

    /// <summary>As a file has them; pinned.</summary>
    public byte[] Bytes { get; }

    /// <summary>Row-major, in the order of loaded rows.</summary>
    public float[] Values { get; }

    public MatrixData Data => new(Format, Rows, Columns, (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(Bytes, 0), PairedHeadDim);

    private void SetScales(Span<byte> block, Random random)
    {
        switch (Format)
        {
            case WeightFormat.F32:
                BitConverter.TryWriteBytes(block, (float)(random.NextDouble() - 0.5));
                return;
            case WeightFormat.BF16:
                BitConverter.TryWriteBytes(block, (ushort)(BitConverter.SingleToUInt32Bits((float)(random.NextDouble() - 0.5)) >> 16));
                return;
            case WeightFormat.F16:
                BitConverter.TryWriteBytes(block, (Half)(random.NextDouble() - 0.5));
                return;
        }

        foreach (int offset in HalfOffsets(Format))
        {
            // Now and then a subnormal half, which files of small models do have.
            double value = random.Next(16) == 0 ? 3e-6 : (random.NextDouble() - 0.3) * 0.02;
            BitConverter.TryWriteBytes(block[offset..], (Half)value);
        }
    }

    private static int[] HalfOffsets(WeightFormat format) => format switch
    {
        WeightFormat.Q4_1 or WeightFormat.Q5_1 or WeightFormat.Q4_K or WeightFormat.Q5_K => [0, 2],
        WeightFormat.Q2_K => [80, 82],
        WeightFormat.Q3_K => [108],
        WeightFormat.Q6_K => [208],
        _ => [0],
    };
}
