using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;
using Tensor = TorchSharp.torch.Tensor;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>The embedded model with torch's tensors on a CUDA device or an emulated one, beside the CPU back end.</summary>
public sealed class TorchCudaModelTests
{
    private static readonly CpuBackendOptions Floats = new() { Activations = ActivationPrecision.Float32 };

    [DeviceFact]
    public void Greedy_tokens_are_those_of_the_CPU_back_end()
    {
        long before = Tensor.TotalCount;
        int[] there = TorchModelTests.Greedy(SharedFiles.EmbeddedModel, EmulatedDevice.Open());
        Assert.Equal(TorchModelTests.Greedy(SharedFiles.EmbeddedModel, new CpuBackend(Floats)), there);
        EmulatedDevice.AssertLaunched("kv_append", "kv_finish", "kv_norm", "kv_embed_F32", "kv_gate");
        Assert.Equal(before, Tensor.TotalCount);
        EmulatedDevice.AssertGivenBack();
    }

    [DeviceTheory]
    [InlineData(4)]
    [InlineData(8)]
    public void Eviction_keeps_the_same_sets_on_the_same_scores(int times)
    {
        using LoadedModel model = TorchModelTests.Load(SharedFiles.EmbeddedModel, EmulatedDevice.Open());
        TorchModelTests.AssertSameSets(model, times, 256);
    }

    [DeviceTheory]
    [InlineData(0.25)]
    [InlineData(0.125)]
    public async Task Compression_keeps_the_same_KVs_and_answers_as_on_the_CPU_back_end(double ratio)
    {
        ChatOptions options = new ChatOptions { Temperature = 0, MaxOutputTokens = 20 }.WithKvCompression(new KvCompression { RetainedRatio = ratio, ProtectedTokens = 8, ObservationWindow = 8, Format = KvFormat.F32 });
        await TorchClientTests.AssertKeptAlike(static _ => EmulatedDevice.Open(), 8, options);
    }

    [DeviceFact]
    public async Task A_hundred_requests_leave_no_tensor_and_no_page()
    {
        long before = Tensor.TotalCount;
        Assert.NotEmpty(await TorchClientTests.AssertNothingStays(static _ => EmulatedDevice.Open(), 1, 100, maxTokens: 4));
        Assert.Equal(before, Tensor.TotalCount);
        EmulatedDevice.AssertGivenBack();
    }

    [DeviceFact]
    public void A_row_outside_of_tensors_is_multiplied_as_well()
    {
        using TorchCudaBackend backend = EmulatedDevice.Open();
        using DeviceTensor own = backend.CreateTensor(3, 4), foreign = new CudaTensor(backend.Queue, 3, 4), output = backend.CreateTensor(3, 2), other = backend.CreateTensor(3, 2);
        float[] weights = [1, 2, 3, 4, -1, 0, 1, 2], row = [1, 2, 3, 4], expected = new float[2], found = new float[2];
        using DeviceMatrix matrix = Load(backend, weights);
        backend.Write(own, 1, row);
        backend.Write(foreign, 1, row);
        backend.Linear(new LinearOperation { Input = own, Rows = 3, Weight = matrix, Output = output });
        backend.Linear(new LinearOperation { Input = foreign, Rows = 3, Weight = matrix, Output = other });
        backend.Read(output, 1, expected);
        backend.Read(other, 1, found);
        Assert.Equal([30f, 10f], expected);
        Assert.Equal(expected, found);
    }

    private static unsafe DeviceMatrix Load(TorchCudaBackend backend, float[] weights)
    {
        fixed (float* at = weights)
            return backend.LoadMatrix([new MatrixData(Kernels.Quantization.WeightFormat.F32, 2, 4, (byte*)at)]);
    }
}
