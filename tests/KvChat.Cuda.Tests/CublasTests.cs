using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Cuda.Driver;
using KvChat.Kernels.Quantization;
using KvChat.Kernels.Tests.Linear;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>When cuBLAS multiplies, what it is given, and what is said where it is not there.</summary>
public sealed class CublasTests
{
    private const double OfHalves = 1.0 / 2048; // half the distance of two neighbours

    [EmulatorTheory]
    [InlineData(1e-30f)]
    [InlineData(1e-6f)]
    [InlineData(1e6f)]
    [InlineData(1e30f)]
    public void Rows_of_any_size_fit_into_halves(float size)
    {
        RandomWeights weights = new(WeightFormat.F16, 16, 64, 3);
        float[][] input = LinearCase.RandomInput(40, 64, 4), scaled = [.. input.Select((row, i) => i % 2 == 0 ? row : [.. row.Select(x => x * size)])];
        using CudaBackend backend = FakeCublas.Open();
        float[][] actual = new LinearCase { Parts = [weights], Input = scaled, Before = 0 }.Run(backend);
        Assert.Equal(1, FakeCublas.Calls);
        for (int row = 0; row < 40; row++)
        {
            for (int i = 0; i < 16; i++)
            {
                double[] products = [.. Enumerable.Range(0, 64).Select(k => (double)weights.Values[(i * 64) + k] * scaled[row][k])];
                double bound = (OfHalves * products.Sum(Math.Abs)) + 1e-37;
                Assert.InRange(actual[row][i] - products.Sum(), -bound, bound);
            }
        }
    }

    [EmulatorTheory]
    [InlineData(WeightFormat.F16, 64, 32)]
    [InlineData(WeightFormat.F16, 40, 50)]
    [InlineData(WeightFormat.F32, 64, 50)]
    [InlineData(WeightFormat.Q8_0, 64, 50)]
    public void Few_rows_and_other_formats_keep_the_own_kernels_and_their_bits(WeightFormat format, int columns, int rows)
    {
        LinearCase operation = new() { Parts = [new(format, 20, columns, 3)], Input = LinearCase.RandomInput(rows, columns, 4) };
        float[][] expected, actual;
        using (CudaBackend own = FakeDriver.Open())
            expected = operation.Run(own);
        using (CudaBackend backend = FakeCublas.Open())
            actual = operation.Run(backend);
        Assert.Equal(0, FakeCublas.Calls);
        Assert.Equal(expected, actual);
    }

    /// <summary>A product is put into the graph of work that repeats, in its place.</summary>
    [EmulatorFact]
    public void Work_that_repeats_becomes_a_graph_with_its_products()
    {
        List<float[]> plain = Steps(usesGraphs: false, out long none), graphs = Steps(usesGraphs: true, out long launched);
        Assert.Equal(0, none);
        Assert.InRange(launched, 3, 8);
        Assert.Equal(plain, graphs);
    }

    [EmulatorFact]
    public void An_error_names_the_call_the_status_and_the_shapes()
    {
        LinearCase operation = new() { Parts = [new(WeightFormat.F16, 20, 64, 3)], Input = LinearCase.RandomInput(40, 64, 4) };
        using CudaBackend backend = FakeCublas.Open();
        FakeCublas.Reset(failAt: 1, status: 13);
        CudaException error = Assert.Throws<CudaException>(() => operation.Run(backend));
        Assert.Equal("cublasGemmEx failed: CUBLAS_STATUS_EXECUTION_FAILED (13). The product was of 40 rows of 64 columns with 20 outputs in F16.", error.Message);
        Assert.Equal(("cublasGemmEx", 13), (error.Call, error.Code));
    }

    [EmulatorFact]
    public void A_library_that_is_asked_for_and_not_there_is_an_error_that_lists_the_names()
    {
        FakeDriver.Reset();
        CudaBackendOptions options = FakeDriver.Options with { Products = CudaProductSource.Cublas, CublasPath = "/nowhere/libcublas.so.12" };
        string error = Assert.Throws<CudaUnavailableException>(() => new CudaBackend(options)).Message;
        Assert.StartsWith("Products is Cublas, and cuBLAS is not here. Looked for: /nowhere/libcublas.so.12.", error, StringComparison.Ordinal);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
        using CudaBackend own = new(options with { Products = CudaProductSource.Auto });
        Assert.Null(own.Queue.LibraryName);
        Assert.Contains("must be one of Own, Auto, Cublas", Assert.Throws<ArgumentException>(() => new CudaBackend(options with { Products = (CudaProductSource)7 })).Message, StringComparison.Ordinal);
    }

    /// <summary>Any other library has no such functions.</summary>
    [EmulatorFact]
    public void A_file_that_is_no_cublas_is_an_error_that_names_what_is_missing()
    {
        FakeDriver.Reset();
        CudaBackendOptions options = FakeDriver.Options with { Products = CudaProductSource.Cublas, CublasPath = FakeDriver.Path };
        Assert.Contains("no function cublasCreate_v2", Assert.Throws<CudaUnavailableException>(() => new CudaBackend(options)).Message, StringComparison.Ordinal);
        using CudaBackend own = new(options with { Products = CudaProductSource.Auto });
        Assert.Null(own.Queue.LibraryName);
    }

    [Fact]
    public void Names_are_those_of_the_program_the_toolkit_and_the_system_and_never_newer_than_the_driver()
    {
        Assert.Equal(
            ["/app/libcublas.so.12", "/app/runtimes/linux-x64/native/libcublas.so.12", "/cuda/lib64/libcublas.so.12", "libcublas.so.12",
                "/app/libcublas.so.11", "/app/runtimes/linux-x64/native/libcublas.so.11", "/cuda/lib64/libcublas.so.11", "libcublas.so.11"],
            CublasSearch.Names(12040, windows: false, "/app", "/cuda").Select(name => name.Replace('\\', '/')));
        IReadOnlyList<string> windows = CublasSearch.Names(13000, windows: true, "/app", "/cuda");
        Assert.Equal("cublas64_13.dll", Path.GetFileName(windows[0]));
        Assert.Contains(Path.Combine("/cuda", "bin", "x64", "cublas64_13.dll"), windows);
        Assert.DoesNotContain(CublasSearch.Names(11080, windows: false, "/app", null), name => name.Contains("12", StringComparison.Ordinal));
    }

    /// <summary>The embedded model with its weights in halves.</summary>
    [EmulatorFact]
    public async Task The_engine_answers_as_it_does_with_the_own_kernels()
    {
        string folder = Directory.CreateTempSubdirectory("kvchat-halves-").FullName;
        try
        {
            HuggingFaceFolder.Write(SharedFiles.EmbeddedModel, folder, "<|im_end|>", type: "F16");
            int[] own = await Answer(folder, FakeDriver.Open()), library = await Answer(folder, FakeCublas.Open());
            Assert.NotEmpty(own);
            Assert.True(FakeCublas.Calls > 0);
            Assert.Equal(own, library);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<int[]> Answer(string folder, CudaBackend backend)
    {
        using LoadedModel model = LoadedModel.Load(folder, "tiny", backend);
        await using InferenceEngine engine = new(model.Transformer, new EngineOptions { CacheBytes = 16 << 20, MaxSequences = 2, StepTokens = 64, ContextTokens = 512 });
        int[] prompt = model.Tokenizer.Encode("The key of the archive is 4711. The lamp on the desk is green, and the clock behind it is slow by five minutes. Question: What is the key of the archive? Answer:", allowSpecial: false).Ids;
        Generation generation = engine.Submit(new GenerationRequest { Prompt = prompt, MaxOutputTokens = 6, Compression = KvCompression.Off });
        List<int> tokens = [];
        await foreach (int token in generation.ReadTokensAsync())
            tokens.Add(token);
        await generation.Completion;
        return [.. tokens];
    }

    // Four layers over forty rows that differ from step to step.
    private static List<float[]> Steps(bool usesGraphs, out long launched)
    {
        const int Width = 32, Rows = 40;
        using CudaBackend backend = FakeCublas.Open(usesGraphs);
        using DeviceMatrix matrix = backend.LoadMatrix([new RandomWeights(WeightFormat.F16, Width, Width, 3).Data]);
        using DeviceTensor rows = backend.CreateTensor(Rows, Width), output = backend.CreateTensor(Rows, Width);
        Random random = new(4);
        List<float[]> results = [];
        for (int step = 0; step < 8; step++)
        {
            backend.Write(rows, 0, [.. Enumerable.Range(0, Width).Select(_ => random.NextSingle() - 0.5f)]);
            for (int row = 0; step == 0 && row < Rows; row++)
                backend.Write(rows, row, LinearCase.RandomVector(Width, row));
            for (int layer = 0; layer < 4; layer++)
            {
                backend.Linear(new LinearOperation { Input = rows, Rows = Rows, Weight = matrix, Output = output });
                backend.Linear(new LinearOperation { Input = output, Rows = Rows, Weight = matrix, Output = rows, Epilogue = LinearEpilogue.Add, Scale = 0.1f });
            }

            float[] row0 = new float[Width];
            backend.Read(output, 0, row0);
            results.Add(row0);
        }

        launched = backend.Queue.GraphLaunches;
        Assert.Equal(usesGraphs, FakeCublas.Calls < 64);
        return results;
    }
}
