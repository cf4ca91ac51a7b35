using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cpu;

/// <summary>Zeroed native memory, aligned to cache lines, freed once: by <see cref="Dispose"/>, or by the finaliser of a forgotten owner.</summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    /// <summary>Bytes of a cache line, and of the widest vector.</summary>
    public const int Alignment = 64;

    private byte* _data;

    /// <summary>Allocates.</summary>
    /// <exception cref="OutOfMemoryException">The machine has not so much memory.</exception>
    public NativeBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = (Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment;
        try
        {
            _data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, Alignment);
        }
        catch (OutOfMemoryException inner)
        {
            throw NoMemory(Bytes, inner);
        }

        NativeMemory.Clear(_data, (nuint)Bytes);
        GC.AddMemoryPressure(Bytes);
    }

    ~NativeBuffer() => Free();

    /// <summary>Bytes allocated, a multiple of <see cref="Alignment"/>.</summary>
    public long Bytes { get; }

    /// <summary>First byte.</summary>
    /// <exception cref="ObjectDisposedException">The buffer has been freed.</exception>
    public byte* Data => _data != null ? _data : throw new ObjectDisposedException(nameof(NativeBuffer));

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    [SuppressMessage("Usage", "CA2201:Do not raise reserved exception types", Justification = "It is what the contract names, with the size that the runtime's own leaves out.")]
    private static OutOfMemoryException NoMemory(long bytes, Exception inner) => new($"{bytes} bytes of memory are not to be had.", inner);

    private void Free()
    {
        if (_data == null)
            return;
        NativeMemory.AlignedFree(_data);
        _data = null;
        GC.RemoveMemoryPressure(Bytes);
    }
}
