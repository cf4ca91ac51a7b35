using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>The suite on the CPU at one vector width; skipped to the scalar reference where a machine lacks the width.</summary>
public abstract class CpuLinearConformance(int width) : LinearConformance
{
    protected override IComputeBackend Create(ActivationPrecision activations) => new CpuBackend(new CpuBackendOptions
    {
        SimdWidth = SimdWidths.Supports(width) ? width : 0,
        Threads = 2,
        Activations = activations,
    });

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_width_gives_the_bits_of_the_scalar_reference(WeightFormat format)
    {
        LinearCase operation = Case(format, 33, 512, 14, norm: true);
        foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
        {
            using CpuBackend reference = new(new CpuBackendOptions { SimdWidth = 0, Threads = 1, Activations = precision });
            using IComputeBackend backend = Create(precision);
            AssertSameBits(operation.Run(reference), operation.Run(backend));
        }
    }

    [Theory]
    [InlineData(LinearEpilogue.Add)]
    [InlineData(LinearEpilogue.GatedSilu)]
    [InlineData(LinearEpilogue.GatedGelu)]
    public void Every_width_gives_the_bits_of_the_scalar_epilogues(LinearEpilogue epilogue)
    {
        LinearCase operation = new()
        {
            Parts = [new(WeightFormat.Q4_1, 37, 96, 1), new(WeightFormat.Q5_0, 37, 96, 2)],
            Input = LinearCase.RandomInput(21, 96, 3),
            Norm = LinearCase.RandomVector(96, 4),
            Bias = LinearCase.RandomVector(74, 5),
            Epilogue = epilogue,
            Scale = 0.3f,
        };
        using CpuBackend reference = new(new CpuBackendOptions { SimdWidth = 0, Threads = 1 });
        using IComputeBackend backend = Create(ActivationPrecision.Int8);
        AssertSameBits(operation.Run(reference), operation.Run(backend));
    }
}

public sealed class ScalarLinearTests() : CpuLinearConformance(0);

public sealed class Vector128LinearTests() : CpuLinearConformance(128);

public sealed class Vector256LinearTests() : CpuLinearConformance(256);

public sealed class Vector512LinearTests() : CpuLinearConformance(512);

public sealed unsafe class CpuLinearTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void Threads_change_no_bit(int threads)
    {
        LinearCase operation = new()
        {
            Parts = [new(WeightFormat.Q4_1, 300, 256, 1), new(WeightFormat.Q8_0, 20, 256, 2)],
            Input = LinearCase.RandomInput(90, 256, 3),
            Norm = LinearCase.RandomVector(256, 4),
        };
        using CpuBackend two = new(new CpuBackendOptions { Threads = 2 });
        using CpuBackend other = new(new CpuBackendOptions { Threads = threads });
        foreach (int rows in (int[])[1, 4, 90])
        {
            float[][] expected = operation.Run(two, rows);
            float[][] actual = operation.Run(other, rows);
            Assert.Equal(expected.SelectMany(row => row), actual.SelectMany(row => row));
        }
    }

    [Fact]
    public void An_operation_allocates_nothing()
    {
        using CpuBackend backend = new(new CpuBackendOptions { Threads = 2 });
        RandomWeights weights = new(WeightFormat.Q4_1, 64, 256, 1);
        using DeviceMatrix matrix = backend.LoadMatrix([weights.Data]);
        using DeviceTensor input = backend.CreateTensor(40, 256);
        using DeviceTensor output = backend.CreateTensor(40, 64);
        int[] tokens = [1, 2, 3];
        void Step()
        {
            backend.Embed(matrix, tokens, input);
            backend.Linear(new LinearOperation { Input = input, Rows = 1, Weight = matrix, Output = output });
            backend.Linear(new LinearOperation { Input = input, Rows = 40, Weight = matrix, Output = output });
        }

        Step();
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            Step();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_scale_that_is_not_finite_is_refused_with_its_row()
    {
        using CpuBackend backend = new(new CpuBackendOptions { Threads = 2 });
        RandomWeights weights = new(WeightFormat.Q4_1, 20, 64, 1);
        BitConverter.TryWriteBytes(weights.Bytes.AsSpan(17 * 40), Half.NaN);
        ArgumentException error = Assert.Throws<ArgumentException>(() => backend.LoadMatrix([weights.Data]));
        Assert.Contains("row 17", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using CpuBackend backend = new(new CpuBackendOptions { Threads = 1 });
        using DeviceMatrix matrix = backend.LoadMatrix([new RandomWeights(WeightFormat.Q4_1, 20, 64, 1).Data]);
        using DeviceTensor input = backend.CreateTensor(2, 64);
        using DeviceTensor output = backend.CreateTensor(2, 20);
        using DeviceTensor narrow = backend.CreateTensor(2, 19);
        using DeviceVector norm = backend.CreateVector(new float[63]);
        Assert.Throws<ArgumentException>(() => backend.Linear(new LinearOperation { Input = input, Rows = 3, Weight = matrix, Output = output }));
        Assert.Throws<ArgumentException>(() => backend.Linear(new LinearOperation { Input = input, Rows = 2, Weight = matrix, Output = narrow }));
        Assert.Throws<ArgumentException>(() => backend.Linear(new LinearOperation { Input = input, Rows = 2, Weight = matrix, Output = output, Norm = norm }));
        Assert.Throws<ArgumentException>(() => backend.Linear(new LinearOperation { Input = input, Rows = 2, Weight = matrix, Output = output, Epilogue = LinearEpilogue.GatedSilu }));
        Assert.Throws<ArgumentException>(() => backend.LoadMatrix([new RandomWeights(WeightFormat.Q4_1, 4, 64, 1).Data, new RandomWeights(WeightFormat.Q4_1, 4, 32, 1).Data]));
        Assert.Throws<ArgumentException>(() => backend.LoadMatrix([new MatrixData(WeightFormat.Q4_1, 4, 40, (byte*)64)]));
        Assert.Throws<ArgumentException>(() => backend.Embed(matrix, [20], input));
    }
}
