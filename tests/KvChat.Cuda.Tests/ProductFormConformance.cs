using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>The forms of products on tensor cores: which of them runs never shows.</summary>
public abstract class ProductFormConformance
{
    public static TheoryData<WeightFormat> Formats => [.. WeightFormats.All.ToArray().Where(format => ProductForms.TakesTensorCores(format, 256))];

    /// <summary>A back end whose products are cut for so many multiprocessors; null for as many as the device has.</summary>
    protected abstract CudaBackend Create(int? multiprocessors = null);

    /// <summary>Columns of several segments, the last one not whole, and more of them than a block has warps.</summary>
    [Theory]
    [MemberData(nameof(Formats))]
    public void All_forms_give_the_same_bits(WeightFormat format)
    {
        int columns = WeightFormats.BlockSize(format) == 256 ? 2304 : 2176;
        LinearCase whole = new() { Parts = [new RandomWeights(format, 20, columns, 3)], Input = LinearCase.RandomInput(66, columns, 4), Norm = LinearCase.RandomVector(columns, 5) };
        string name = WeightFormats.Name(format);
        float[][] many = Run(whole, 1, 66, "kv_multiply_many_" + name);
        AssertSameBits(many, Run(whole, 1000, 66, "kv_multiply_32_" + name));
        LinearCase few = new() { Parts = whole.Parts, Input = whole.Input[..9], Norm = whole.Norm };
        AssertSameBits(many[..9], Run(few, 1000, 3, "kv_multiply_8_" + name));
    }

    /// <summary>The scale of a row is a power of two of its own: as good for rows of any size, and rows do not meet.</summary>
    [Theory]
    [InlineData(1e-36f)]
    [InlineData(1e-20f)]
    [InlineData(1e20f)]
    [InlineData(3e33f)]
    public void Rows_of_any_size_keep_their_precision(float size)
    {
        RandomWeights weights = new(WeightFormat.Q4_K, 16, 256, 3);
        float[][] input = LinearCase.RandomInput(2, 256, 4);
        LinearCase plain = new() { Parts = [weights], Input = input, Before = 0 };
        LinearCase scaled = new() { Parts = [weights], Input = [input[0], [.. input[1].Select(x => x * size)]], Before = 0 };
        using CudaBackend backend = Create();
        float[][] expected = plain.Run(backend), actual = scaled.Run(backend);
        Assert.Equal(expected[0], actual[0]);
        for (int i = 0; i < 16; i++)
        {
            double sum = Enumerable.Range(0, 256).Sum(k => Math.Abs((double)weights.Values[(i * 256) + k] * input[1][k])) * size;
            Assert.InRange(actual[1][i] - ((double)expected[1][i] * size), -2e-6 * sum, 2e-6 * sum);
        }
    }

    private float[][] Run(LinearCase operation, int multiprocessors, int rowsAtOnce, string kernel)
    {
        using CudaBackend backend = Create(multiprocessors);
        float[][] result = operation.Run(backend, rowsAtOnce);
        Assert.Contains(backend.Queue.KernelsInUse, used => used.Name == kernel && used.Launches > 0);
        return result;
    }

    private static void AssertSameBits(float[][] expected, float[][] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i].Select(BitConverter.SingleToUInt32Bits), actual[i].Select(BitConverter.SingleToUInt32Bits));
    }
}
