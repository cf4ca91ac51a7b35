namespace KvChat.Kernels.Cuda.Driver;

/// <summary>Pinned blocks that are filled one after another; a block is used again when the device is done with it, so uploads need not be waited for.</summary>
internal sealed unsafe class PinnedRing : IDisposable
{
    /// <summary>Bytes of a block, and most bytes of one copy.</summary>
    public const int BlockBytes = 1 << 20;

    private const int Blocks = 4, Alignment = 16;

    private readonly PinnedBuffer _buffer;
    private readonly CudaEvent[] _done = new CudaEvent[Blocks];
    private readonly CudaStream _stream;
    private int _block, _used;

    public PinnedRing(CudaContext context, CudaStream stream)
    {
        _stream = stream;
        _buffer = new PinnedBuffer(context, (long)Blocks * BlockBytes);
        for (int i = 0; i < Blocks; i++)
            _done[i] = new CudaEvent(context);
    }

    /// <summary>Room for the bytes of one copy, at most <see cref="BlockBytes"/>, which must be launched before the next call.</summary>
    /// <param name="bytes">Bytes.</param>
    /// <param name="result">The driver's result where a block had to be waited for, else 0.</param>
    public byte* Take(int bytes, out int result)
    {
        result = 0;
        if (_used + bytes > BlockBytes)
        {
            _done[_block].Record(_stream);
            _block = (_block + 1) % Blocks;
            _used = 0;
            result = _done[_block].Synchronize();
        }

        byte* taken = _buffer.Data + ((long)_block * BlockBytes) + _used;
        _used += (bytes + Alignment - 1) / Alignment * Alignment;
        return taken;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CudaEvent done in _done)
            done.Dispose();
        _buffer.Dispose();
    }
}
