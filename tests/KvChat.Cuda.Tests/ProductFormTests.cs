using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>How products on tensor cores are launched.</summary>
public sealed class ProductFormTests
{
    /// <summary>A display's watchdog ends launches that run for long: many rows are split.</summary>
    [EmulatorTheory]
    [InlineData(WeightFormat.Q8_0, "kv_multiply_many_Q8_0")]
    [InlineData(WeightFormat.BF16, "kv_multiply_many_BF16")]
    [InlineData(WeightFormat.F32, "kv_linear_F32")]
    public void Many_rows_are_split_into_launches_that_do_not_run_long(WeightFormat format, string kernel)
    {
        LinearCase operation = new() { Parts = [new RandomWeights(format, 20, 64, 3)], Input = LinearCase.RandomInput(200, 64, 4), Norm = LinearCase.RandomVector(64, 5), Bias = LinearCase.RandomVector(20, 6) };
        using CudaBackend backend = FakeDriver.Open(("MULTIPROCESSORS", 1));
        float[][] whole = operation.Run(backend);
        Assert.Equal(1, FakeDriver.Launches(kernel));
        backend.LargestProduct = 20 * 64 * 100;
        Assert.Equal(whole, operation.Run(backend));

        // 64, 64, 64 and the 8 that are left.
        Assert.Equal(format == WeightFormat.F32 ? 5 : 4, FakeDriver.Launches(kernel));
    }

    [EmulatorFact]
    public void Neighbours_of_one_format_are_one_launch()
    {
        LinearCase operation = new()
        {
            Parts = [new(WeightFormat.Q8_0, 24, 64, 1), new(WeightFormat.Q8_0, 8, 64, 2), new(WeightFormat.Q4_0, 8, 64, 3)],
            Input = LinearCase.RandomInput(1, 64, 5),
        };
        using CudaBackend backend = FakeDriver.Open();
        operation.Run(backend);
        Assert.Equal(1, FakeDriver.Launches("kv_multiply_8_Q8_0"));
        Assert.Equal(1, FakeDriver.Launches("kv_multiply_8_Q4_0"));
        Assert.Equal(1, FakeDriver.Launches("kv_prepare"));
    }

    /// <summary>Devices of compute capability 8.6 and 8.9 give a block 99 KiB.</summary>
    [Fact]
    public void Every_form_fits_into_the_shared_memory_of_small_devices()
    {
        foreach (WeightFormat format in WeightFormats.All)
        {
            if (!ProductForms.TakesTensorCores(format, 256))
                continue;
            ProductForms forms = ProductForms.Of(format);
            Assert.All([forms.Few, forms.Some, forms.Many], form => Assert.InRange(form.SharedBytes, 1, 99 << 10));
        }
    }
}
