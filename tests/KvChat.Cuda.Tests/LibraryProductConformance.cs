using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>Products of many rows by cuBLAS: the same numbers within what the format of the weights keeps of a row.</summary>
public abstract class LibraryProductConformance
{
    // Half the distance of two neighbours, of halves and of brains.
    private const double OfHalves = 1.0 / 2048, OfBrains = 1.0 / 256;

    public static TheoryData<WeightFormat, LinearEpilogue> Cases => new()
    {
        { WeightFormat.F16, LinearEpilogue.Store },
        { WeightFormat.F16, LinearEpilogue.Add },
        { WeightFormat.BF16, LinearEpilogue.Store },
        { WeightFormat.BF16, LinearEpilogue.GatedSilu },
    };

    /// <summary>A back end that multiplies by the library.</summary>
    protected abstract CudaBackend Create();

    /// <summary>Called before the back end of a case is closed.</summary>
    protected virtual void Check(CudaBackend backend)
    {
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_are_those_of_the_own_kernels_but_for_the_rounding_of_rows(WeightFormat format, LinearEpilogue epilogue)
    {
        const int Columns = 112, Rows = 37;
        LinearCase operation = new()
        {
            Parts = [new(format, 20, Columns, 3), new(format, 20, Columns, 8)],
            Input = LinearCase.RandomInput(Rows, Columns, 4),
            Norm = LinearCase.RandomVector(Columns, 5),
            Bias = epilogue == LinearEpilogue.GatedSilu ? null : LinearCase.RandomVector(40, 6),
            Epilogue = epilogue,
            Scale = epilogue == LinearEpilogue.GatedSilu ? 0 : 0.75f,
        };
        float[][] actual;
        using (CudaBackend backend = Create())
        {
            actual = operation.Run(backend);
            Assert.Contains(backend.Queue.KernelsInUse, kernel => kernel.Name == "kv_finish" && kernel.Launches == 1);
            Assert.StartsWith("cuBLAS ", backend.Queue.LibraryName, StringComparison.Ordinal);
            Check(backend);
        }

        double error = format == WeightFormat.F16 ? OfHalves : OfBrains;
        for (int row = 0; row < Rows; row++)
        {
            // Bounds of the reference are for singles: 2e-6 of the sizes of all products.
            (double[] values, double[] bounds) = operation.Reference(row, int8: false);
            for (int i = 0; i < values.Length; i++)
                Assert.InRange(actual[row][i] - values[i], -bounds[i] * error / 2e-6, bounds[i] * error / 2e-6);
        }
    }
}
