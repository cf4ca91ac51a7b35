using KvChat.Kernels;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Gpu.Conformance;

/// <summary>Rows of embedding tables in every format.</summary>
public abstract class EmbeddingConformance
{
    public static TheoryData<WeightFormat> Formats => [.. WeightFormats.All.ToArray()];

    protected abstract IComputeBackend Create();

    [Theory]
    [MemberData(nameof(Formats))]
    public void Rows_mean_what_the_reference_decoder_says(WeightFormat format)
    {
        const int Rows = 37, Columns = 512;
        using IComputeBackend backend = Create();
        RandomWeights table = new(format, Rows, Columns, 3);
        using DeviceMatrix matrix = backend.LoadMatrix([table.Data]);
        int[] tokens = [36, 0, 5, 5, 17];
        using DeviceTensor output = backend.CreateTensor(tokens.Length, Columns);
        backend.Embed(matrix, tokens, output, 2);
        float[] row = new float[Columns];
        for (int i = 0; i < tokens.Length; i++)
        {
            backend.Read(output, i, row);
            for (int column = 0; column < Columns; column++)
                Assert.Equal(2 * table.Values[(tokens[i] * Columns) + column], row[column], 1e-6f * Math.Abs(row[column]));
        }
    }
}
