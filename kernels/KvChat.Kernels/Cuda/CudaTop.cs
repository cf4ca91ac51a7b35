using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>The largest numbers of rows, found on the device (<c>sampling.cu</c>): a key of 8 bytes each is copied back.</summary>
internal sealed class CudaTop(CudaQueue queue) : IDisposable
{
    private const int Threads = 256, Chunk = 4096, SharedBytes = 2 * (Threads / 32) * sizeof(ulong), GridLimit = 65535;

    private readonly CudaScratch _keys = new(queue), _others = new(queue);
    private ulong[] _found = [];

    /// <summary>Finds them.</summary>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public void Find(CudaTensor tensor, int rows, Span<int> columns, Span<float> values)
    {
        int count = TopValues.Check(tensor, rows, columns, values);
        if (_found.Length < columns.Length)
            _found = new ulong[columns.Length];
        for (int first = 0, some; first < rows; first += some)
        {
            some = Math.Min(rows - first, GridLimit);
            Span<ulong> found = _found.AsSpan(first * count, some * count);
            queue.Download(FindKeys(tensor.Row(first), some, tensor.Columns, count), MemoryMarshal.AsBytes(found));
        }

        for (int i = 0; i < columns.Length; i++)
            (columns[i], values[i]) = Read(_found[i]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _others.Dispose();
    }

    // Each round leaves count keys of a chunk, a sixty-fourth at most, until one chunk is left.
    private nint FindKeys(nint values, int rows, int columns, int count)
    {
        TopArguments arguments = new() { Values = values, Columns = columns, Count = count };
        for (CudaScratch target = _keys; ; target = ReferenceEquals(target, _keys) ? _others : _keys)
        {
            int chunks = (arguments.Columns + Chunk - 1) / Chunk;
            arguments.Output = target.Ensure((long)rows * chunks * count * sizeof(ulong));
            queue.Launch("kv_top", new(chunks, rows), Threads, SharedBytes, arguments);
            if (chunks == 1)
                return arguments.Output;
            arguments.Values = 0;
            arguments.Keys = arguments.Output;
            arguments.Columns = chunks * count;
        }
    }

    // Keys order numbers by sign and bits; the column is in the lower half, inverted.
    private static (int Column, float Value) Read(ulong key)
    {
        uint ordered = (uint)(key >> 32), bits = (ordered & 0x80000000) != 0 ? ordered & 0x7fffffff : ~ordered;
        return ((int)~(uint)key, ordered == uint.MaxValue ? float.NaN : BitConverter.UInt32BitsToSingle(bits));
    }
}
