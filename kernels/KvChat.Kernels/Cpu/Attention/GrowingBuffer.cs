namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Native memory that grows by replacement; what it held is copied.</summary>
internal sealed unsafe class GrowingBuffer : IDisposable
{
    private NativeBuffer? _buffer;

    /// <summary>First byte; null before the first <see cref="Ensure"/>.</summary>
    public byte* Data => _buffer == null ? null : _buffer.Data;

    /// <summary>Makes room for that many bytes.</summary>
    /// <exception cref="OutOfMemoryException">The machine has not so much memory.</exception>
    public byte* Ensure(long bytes)
    {
        if (_buffer != null && _buffer.Bytes >= bytes)
            return _buffer.Data;
        NativeBuffer larger = new(Math.Max(bytes, (_buffer?.Bytes ?? 0) * 3 / 2));
        if (_buffer != null)
        {
            Buffer.MemoryCopy(_buffer.Data, larger.Data, larger.Bytes, _buffer.Bytes);
            _buffer.Dispose();
        }

        _buffer = larger;
        return larger.Data;
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer?.Dispose();
}
