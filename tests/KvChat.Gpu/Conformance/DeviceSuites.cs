using KvChat.Cuda.Tests;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Tests.Attention;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Gpu.Conformance;

/// <summary>The suites of every back end, and those of the device alone, on the device under test.</summary>
internal static class DeviceSuites
{
    /// <summary>All cases of all suites.</summary>
    public static IEnumerable<(string Name, Action Run)> Cases(TestDevice device) =>
    [
        .. Suite.Cases(() => new Append(device)),
        .. Suite.Cases(() => new Attention(device)),
        .. Suite.Cases(() => new AttentionForms(device)),
        .. Suite.Cases(() => new Formats(device)),
        .. Suite.Cases(() => new Arena(device)),
        .. Suite.Cases(() => new Linear(device)),
        .. Suite.Cases(() => new Embedding(device)),
        .. Suite.Cases(() => new Family(device)),
        .. Suite.Cases(() => new ProductForms(device)),
        .. device.HasLibrary ? Suite.Cases(() => new LibraryProducts(device)) : [],
        .. Suite.Cases(() => new Top(device)),
        .. Suite.Cases(() => new Selection(device)),
        .. Suite.Cases(() => new Eviction(device)),
        .. Suite.Cases(() => new PageRing(device)),
        .. Suite.Cases(() => new Generated(device)),
    ];

    private sealed class Append(TestDevice device) : AppendConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class Attention(TestDevice device) : AttentionConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class AttentionForms(TestDevice device) : AttentionFormConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class Formats(TestDevice device) : FormatConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class Arena(TestDevice device) : ArenaConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    /// <summary>Activations are not rounded to 8 bits, whatever is asked for: the bounds of the other path are wider.</summary>
    private sealed class Linear(TestDevice device) : LinearConformance
    {
        protected override IComputeBackend Create(ActivationPrecision activations) => device.Borrow();
    }

    private sealed class Embedding(TestDevice device) : EmbeddingConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class Family(TestDevice device) : FamilyConformance
    {
        protected override IComputeBackend Create(int threads = 1) => device.Borrow();
    }

    private sealed class ProductForms(TestDevice device) : ProductFormConformance
    {
        protected override CudaBackend Create(int? multiprocessors = null) => device.Open(multiprocessors);
    }

    private sealed class LibraryProducts(TestDevice device) : LibraryProductConformance
    {
        protected override CudaBackend Create() => device.Open(products: CudaProductSource.Cublas);
    }

    private sealed class Top(TestDevice device) : TopConformance
    {
        protected override IComputeBackend Create() => device.Borrow();
    }

    private sealed class Eviction(TestDevice device) : EvictionConformance
    {
        protected override CudaBackend Create(int seed) => device.Open();
    }

    private sealed class Selection(TestDevice device) : SelectionConformance
    {
        protected override CudaBackend Create(int seed) => device.Open();
    }

    private sealed class Generated(TestDevice device) : GeneratedWeightsConformance
    {
        protected override CudaBackend Create() => device.Open();
    }

    private sealed class PageRing(TestDevice device) : PageRingConformance
    {
        protected override CudaBackend Create() => device.Open();
    }
}
