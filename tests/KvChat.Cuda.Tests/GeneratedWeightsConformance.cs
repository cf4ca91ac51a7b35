using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;

namespace KvChat.Cuda.Tests;

/// <summary>Weights that the device makes against those that the host makes: the same bytes, wherever a matrix begins.</summary>
public abstract class GeneratedWeightsConformance
{
    public static TheoryData<WeightFormat> Formats => [.. GeneratedWeights.Formats.ToArray()];

    /// <summary>A back end.</summary>
    protected abstract CudaBackend Create();

    [Theory]
    [MemberData(nameof(Formats))]
    public void The_device_makes_the_bytes_that_the_host_makes(WeightFormat format)
    {
        const int Rows = 37, Columns = 768, MoreRows = 5;
        GeneratedWeights first = new(0xFEDC_BA98_7654_3210, 0.02f), second = new(7, 0.3f, 11);
        using CudaBackend backend = Create();
        using DeviceMatrix matrix = backend.LoadMatrix([new MatrixData(format, Rows, Columns, first), new MatrixData(format, MoreRows, Columns, second)]);
        CudaMatrix.Part part = CudaMatrix.From(matrix, nameof(matrix)).Parts[0];
        Assert.Equal(Rows + MoreRows, part.Rows);
        byte[] actual = new byte[part.RowBytes * part.Rows], expected = new byte[actual.Length];
        backend.Queue.Download(part.Address, actual);
        int split = (int)part.RowBytes * Rows;
        first.Fill(format, expected.AsSpan(0, split));
        second.Fill(format, expected.AsSpan(split));
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(actual));
    }

    /// <summary>Blocks beyond what 32 bits count are as good as others.</summary>
    [Theory]
    [MemberData(nameof(Formats))]
    public void Places_far_along_are_numbered_in_64_bits(WeightFormat format)
    {
        const int Columns = 256;
        GeneratedWeights weights = new(3, 0.1f, 5_000_000_000);
        using CudaBackend backend = Create();
        using DeviceMatrix matrix = backend.LoadMatrix([new MatrixData(format, 1, Columns, weights)]);
        CudaMatrix.Part part = CudaMatrix.From(matrix, nameof(matrix)).Parts[0];
        byte[] actual = new byte[part.RowBytes], expected = new byte[actual.Length];
        backend.Queue.Download(part.Address, actual);
        weights.Fill(format, expected);
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(actual));
    }
}
