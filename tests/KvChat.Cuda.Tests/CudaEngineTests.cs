using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>The whole engine with the embedded model on the fake device: it answers as it does on the processor.</summary>
public sealed class CudaEngineTests
{
    public static TheoryData<string> Settings => new("off", "halves", "4x", "8x", "codes", "both ends");

    [EmulatorTheory]
    [MemberData(nameof(Settings))]
    public async Task The_embedded_model_answers_as_on_the_processor(string setting)
    {
        KvCompression compression = setting switch
        {
            "off" => KvCompression.Off,
            "halves" => new KvCompression { RetainedRatio = 0.5, ProtectedTokens = 16, ObservationWindow = 8 },
            "4x" => new KvCompression { RetainedRatio = 0.25, ProtectedTokens = 16, ObservationWindow = 8 },
            "8x" => new KvCompression { RetainedRatio = 0.125, ProtectedTokens = 8, ObservationWindow = 8 },
            "codes" => new KvCompression { RetainedRatio = 0.5, ProtectedTokens = 16, ObservationWindow = 8, Format = KvFormat.K8V8 },
            _ => new KvCompression { RetainedRatio = 0.75, ProtectedTokens = 16, ObservationWindow = 8, Format = KvFormat.K8V8, LowFormat = KvFormat.K4V4, HighShare = 0.5 },
        };
        int[] onProcessor = await Answer(new CpuBackend(new CpuBackendOptions { Activations = ActivationPrecision.Float32 }), compression);
        int[] onDevice = await Answer(FakeDriver.Open(), compression);
        Assert.NotEmpty(onProcessor);
        Assert.Equal(onProcessor, onDevice);
        Assert.True(FakeDriver.Launches("kv_append") > 0);
        Assert.True(FakeDriver.Launches("kv_top") > 0);
        Assert.Equal(setting != "off", FakeDriver.Launches("kv_scatter") > 0);
        Assert.Equal(setting is not ("off" or "both ends"), FakeDriver.Launches("kv_list_moves") > 0);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    [EmulatorFact]
    public async Task The_cache_takes_its_share_of_the_free_device_memory()
    {
        const long Memory = 256 << 20;
        CudaBackend backend = FakeDriver.Open(("MEMORY", Memory));
        using LoadedModel model = LoadedModel.Load(SharedFiles.EmbeddedModel, "tiny", backend);
        long free = backend.FreeMemoryBytes!.Value;
        await using InferenceEngine engine = new(model.Transformer, new EngineOptions());
        long pool = engine.PlanCapacity(64, KvCompression.Off).BudgetBytes;
        Assert.InRange(pool, free / 2, free / 4 * 3);
    }

    [EmulatorFact]
    public void Auto_takes_the_device_where_there_is_one_and_the_processor_where_there_is_none()
    {
        FakeDriver.Reset();
        using (IComputeBackend device = ComputeBackends.Create(BackendKind.Auto, cuda: FakeDriver.Options))
            Assert.IsType<CudaBackend>(device);
        FakeDriver.Reset(("DEVICES", 0));
        using (IComputeBackend processor = ComputeBackends.Create(BackendKind.Auto, cuda: FakeDriver.Options))
            Assert.IsType<CpuBackend>(processor);
        Assert.Throws<CudaUnavailableException>(() => ComputeBackends.Create(BackendKind.Cuda, cuda: FakeDriver.Options));
    }

    private static async Task<int[]> Answer(IComputeBackend backend, KvCompression compression)
    {
        using LoadedModel model = LoadedModel.Load(SharedFiles.EmbeddedModel, "tiny", backend);
        await using InferenceEngine engine = new(model.Transformer, new EngineOptions { CacheBytes = 16 << 20, MaxSequences = 4, StepTokens = 64, ContextTokens = 512 });
        int[] prompt = model.Tokenizer.Encode("The key of the archive is 4711. The lamp on the desk is green, and the clock behind it is slow by five minutes. Question: What is the key of the archive? Answer:", allowSpecial: false).Ids;
        Generation generation = engine.Submit(new GenerationRequest { Prompt = prompt, MaxOutputTokens = 8, Compression = compression });
        List<int> tokens = [];
        await foreach (int token in generation.ReadTokensAsync())
            tokens.Add(token);
        await generation.Completion;
        return [.. tokens];
    }
}
