using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <content>Products that cuBLAS makes. They are noted down and captured as launches are: a product comes into a graph when it has run as it is before, so that the library has loaded what it needs.</content>
internal sealed unsafe partial class CudaQueue
{
    private readonly CublasHandle? _cublas;

    /// <summary>The library that multiplies, in words; null where there is none or it was not asked for.</summary>
    public string? LibraryName => _cublas is null ? null : $"cuBLAS {_cublas.Version / 10000}.{_cublas.Version % 10000 / 100} ({_cublas.Name})";

    /// <summary>Whether <see cref="Multiply"/> can be called.</summary>
    public bool HasLibrary => _cublas is not null;

    /// <summary>Multiplies by the library.</summary>
    /// <exception cref="CudaException">The library refuses it.</exception>
    public void Multiply(in LibraryProduct product)
    {
        Enter();
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<LibraryProduct>(in product));
        if (Notes(bytes.Length))
            _period.AddProduct(bytes);
        if (!_notes)
            MultiplyNow(product);
    }

    private void MultiplyNow(in LibraryProduct product)
    {
        _log.Add(product);
        _cublas!.Multiply(product);
        if (_waits)
            Check(_stream.Synchronize(), "cuStreamSynchronize");
    }

    private static CublasHandle? OpenLibrary(CudaBackendOptions options, CudaContext context, CudaStream stream, DeviceMemory memory)
    {
        if (!Enum.IsDefined(options.Products))
            throw new ArgumentException($"{nameof(CudaBackendOptions.Products)} is {options.Products}; it must be one of {string.Join(", ", Enum.GetNames<CudaProductSource>())}.", nameof(options));
        if (options.Products == CudaProductSource.Own)
            return null;
        try
        {
            CublasLibrary? library = CublasLibrary.Find(options.CublasPath, context.Driver.Version, out IReadOnlyList<string> tried);
            if (library is not null)
                return new CublasHandle(context, library, stream, memory);
            return options.Products == CudaProductSource.Auto ? null : throw new CudaUnavailableException(
                $"{nameof(CudaBackendOptions.Products)} is {options.Products}, and cuBLAS is not here. Looked for: {string.Join(", ", tried)}. A CUDA toolkit brings it, and TorchSharp's CUDA packages do.");
        }
        catch (CudaException) when (options.Products == CudaProductSource.Auto)
        {
            // A library that does not start is as good as none.
            return null;
        }
    }
}
