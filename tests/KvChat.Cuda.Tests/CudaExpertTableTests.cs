using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>Where the device finds the weights of experts.</summary>
public sealed class CudaExpertTableTests
{
    private const int Width = 64, Count = 5;

    [EmulatorFact]
    public void Addresses_are_brought_to_the_device_once_and_go_with_the_weights()
    {
        using (CudaBackend backend = FakeDriver.Open())
        {
            using DeviceTensor rows = backend.CreateTensor(1, Width), output = backend.CreateTensor(1, Width);
            using DeviceMatrix router = backend.LoadMatrix([new RandomWeights(WeightFormat.F32, Count, Width, 1).Data]);
            DeviceMatrix[] gateUp = Many(backend, WeightFormat.Q8_0, 2), down = Many(backend, WeightFormat.Q8_0, 1);
            backend.Write(rows, 0, LinearCase.RandomVector(Width, 3));
            ExpertOperation operation = new()
            {
                Input = rows, Rows = 1, Router = router, GateUp = gateUp, Down = down, PerRow = 2, Normalises = true, Activation = LinearEpilogue.GatedSilu, Output = output,
            };
            backend.Experts(operation);
            CudaExpertTable table = ((CudaMatrix)gateUp[0]).Experts!;
            Assert.NotEqual(0, table.Address);
            backend.Experts(operation);
            Assert.Same(table, ((CudaMatrix)gateUp[0]).Experts);

            // Other weights behind the same first expert.
            backend.Experts(operation with { GateUp = [.. gateUp] });
            Assert.NotSame(table, ((CudaMatrix)gateUp[0]).Experts);
            Assert.Equal(0, table.Address);
            table = ((CudaMatrix)gateUp[0]).Experts!;
            backend.Queue.Synchronize();
            long taken = FakeDriver.Taken().Device;
            gateUp[0].Dispose();
            backend.Queue.Synchronize();
            Assert.Equal(0, table.Address);
            Assert.Equal(taken - 2, FakeDriver.Taken().Device);
            foreach (DeviceMatrix matrix in (DeviceMatrix[])[.. gateUp, .. down])
                matrix.Dispose();
        }

        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    /// <summary>Brains are multiplied by no kernel that takes addresses: the host is told the choice.</summary>
    [EmulatorFact]
    public void Experts_that_cannot_be_taken_by_address_have_no_table()
    {
        using CudaBackend backend = FakeDriver.Open();
        using DeviceTensor rows = backend.CreateTensor(1, Width), output = backend.CreateTensor(1, Width);
        using DeviceMatrix router = backend.LoadMatrix([new RandomWeights(WeightFormat.F32, Count, Width, 1).Data]);
        DeviceMatrix[] gateUp = Many(backend, WeightFormat.BF16, 2), down = Many(backend, WeightFormat.BF16, 1);
        backend.Write(rows, 0, LinearCase.RandomVector(Width, 3));
        backend.Experts(new ExpertOperation { Input = rows, Rows = 1, Router = router, GateUp = gateUp, Down = down, PerRow = 2, Activation = LinearEpilogue.GatedSilu, Output = output });
        backend.Queue.Synchronize();
        Assert.Equal(0, ((CudaMatrix)gateUp[0]).Experts!.Address);
        Assert.Equal(0, FakeDriver.Launches("kv_multiply_expert_Q8_0"));
        Assert.True(FakeDriver.Launches("kv_multiply_8_BF16") > 0);
    }

    private static DeviceMatrix[] Many(CudaBackend backend, WeightFormat format, int parts) =>
        [.. Enumerable.Range(0, Count).Select(e => backend.LoadMatrix([.. Enumerable.Range(0, parts).Select(part => new RandomWeights(format, Width, Width, (10 * e) + part).Data)]))];
}
