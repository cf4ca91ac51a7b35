using System.Runtime.InteropServices;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;

namespace KvChat.TestSupport;

/// <summary>A very small transformer with random weights, quick enough for thousands of requests in a test.</summary>
public sealed unsafe class RandomModel : IWeightSource, IDisposable
{
    private readonly List<nint> _memory = [];
    private readonly int _seed;

    private RandomModel(int seed) => _seed = seed;

    /// <summary>The token whose embedding is not a number: whoever reads it gets logits that are not numbers.</summary>
    public const int BrokenToken = 1;

    /// <summary>Makes the model on a back end, which must outlive it.</summary>
    /// <param name="backend">Where to.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="context">Longest sequence.</param>
    /// <param name="seed">Of the weights.</param>
    /// <param name="change">What the model has beyond a plain one, or null.</param>
    public static TransformerModel Create(
        IComputeBackend backend, int layers = 2, int context = 512, int seed = 1, Func<TransformerConfiguration, TransformerConfiguration>? change = null)
    {
        using var source = new RandomModel(seed);
        TransformerConfiguration shape = Shape(layers, context);
        return TransformerModel.Load(change is null ? shape : change(shape), TensorNames.Gguf, source, backend, pairedRows: false);
    }

    /// <summary>A CPU back end for such models: one thread, fp32.</summary>
    public static CpuBackend Backend(int threads = 1) => new(new CpuBackendOptions { Threads = threads, Activations = ActivationPrecision.Float32 });

    /// <inheritdoc/>
    public bool Has(string name) => name.EndsWith(".weight", StringComparison.Ordinal);

    /// <inheritdoc/>
    public MatrixData Matrix(string name, int rows, int columns, int pairedHeadDim = 0)
    {
        float* data = (float*)NativeMemory.Alloc((nuint)(rows * columns), sizeof(float));
        _memory.Add((nint)data);
        Random random = For(name);
        for (int i = 0; i < rows * columns; i++)
            data[i] = (random.NextSingle() - 0.5f) * 2.5f / MathF.Sqrt(columns);
        if (name == TensorNames.Gguf.Embedding)
        {
            for (int i = 0; i < rows * columns; i++)
                data[i] = i / columns == BrokenToken ? float.NaN : data[i] * MathF.Sqrt(columns);
        }

        // Nobody draws the broken token: its logit is 0, and the largest of the others is above that.
        if (name == TensorNames.Gguf.Output)
            new Span<float>(data + (BrokenToken * columns), columns).Clear();
        return new MatrixData(WeightFormat.F32, rows, columns, (byte*)data, pairedHeadDim);
    }

    /// <inheritdoc/>
    public float[] Vector(string name, int length)
    {
        Random random = For(name);
        return [.. Enumerable.Range(0, length).Select(_ => 0.5f + random.NextSingle())];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint block in _memory)
            NativeMemory.Free((void*)block);
        _memory.Clear();
    }

    private static TransformerConfiguration Shape(int layers, int context) => new()
    {
        Architecture = "llama",
        PerLayer = LayerConfiguration.Alike(layers),
        Width = 32,
        HiddenWidth = 64,
        QueryHeads = 4,
        KvHeads = 2,
        HeadDim = 16,
        VocabularySize = 64,
        ContextLength = context,
        NormEpsilon = 1e-5f,
        Rotaries = [new RotaryConfiguration { Dimensions = 16, Base = 10_000 }],
        AttentionScale = 0.25f,
    };

    private Random For(string name)
    {
        int hash = _seed;
        foreach (char c in name)
            hash = (hash * 31) + c;
        return new Random(hash);
    }
}
