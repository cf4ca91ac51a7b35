using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>How products on tensor cores are launched.</summary>
public sealed class ProductFormTests
{
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
