using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cpu;

/// <summary>Cosines and sines per position, computed when a position is first met and kept in blocks of <see cref="BlockPositions"/>.</summary>
internal sealed unsafe class CpuRotary : DeviceRotary
{
    private const int BlockPositions = 256;

    private readonly float[] _inverseFrequencies;
    private readonly float _magnitude;
    private float** _blocks;
    private int _blockCount;
    private bool _disposed;

    public CpuRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude)
        : base(2 * inverseFrequencies.Length)
    {
        if (inverseFrequencies.IsEmpty)
            throw new ArgumentException("There is no frequency.", nameof(inverseFrequencies));
        _inverseFrequencies = inverseFrequencies.ToArray();
        _magnitude = magnitude;
    }

    ~CpuRotary() => Free();

    /// <summary>Pairs that are rotated.</summary>
    public int Pairs => _inverseFrequencies.Length;

    /// <summary>The angles as this back end's own, or null.</summary>
    /// <exception cref="ArgumentException">They belong to another back end, or a head has fewer coordinates.</exception>
    public static CpuRotary? From(DeviceRotary? rotary, int headDim)
    {
        if (rotary is null)
            return null;
        if (rotary is not CpuRotary own)
            throw new ArgumentException($"A {rotary.GetType().Name} is no rotary table of the CPU back end.", nameof(rotary));
        return own.Dimensions <= headDim ? own : throw new ArgumentException($"The table rotates {own.Dimensions} coordinates, a head has {headDim}.", nameof(rotary));
    }

    /// <summary>Makes sure that these positions are in the table. Rows may be read from several threads afterwards, until the next call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A position is negative.</exception>
    public void Prepare(ReadOnlySpan<int> positions)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (int position in positions)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(position);
            if (position / BlockPositions >= _blockCount)
                Grow((position / BlockPositions) + 1);
            ref float* block = ref _blocks[position / BlockPositions];
            if (block == null)
                block = (float*)NativeMemory.AllocZeroed(BlockPositions * (nuint)((2 * Pairs) + 1) * sizeof(float));
            Fill(block, position);
        }
    }

    /// <summary>Cosines of a prepared position, <see cref="Pairs"/> of them, followed by as many sines.</summary>
    public float* Row(int position) => _blocks[position / BlockPositions] + BlockPositions + ((long)(position % BlockPositions) * 2 * Pairs);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _disposed = true;
        Free();
        GC.SuppressFinalize(this);
    }

    // A block starts with a mark per position: 0 until its row is there.
    private void Fill(float* block, int position)
    {
        if (block[position % BlockPositions] != 0)
            return;
        float* row = Row(position);
        for (int i = 0; i < Pairs; i++)
        {
            (double sine, double cosine) = Math.SinCos(position * _inverseFrequencies[i]);
            row[i] = (float)cosine * _magnitude;
            row[Pairs + i] = (float)sine * _magnitude;
        }

        block[position % BlockPositions] = 1;
    }

    private void Grow(int count)
    {
        count = (int)Math.Min(Math.Max(count, 2L * _blockCount), (int.MaxValue / BlockPositions) + 1);
        _blocks = (float**)NativeMemory.Realloc(_blocks, (nuint)count * (nuint)sizeof(float*));
        for (int i = _blockCount; i < count; i++)
            _blocks[i] = null;
        _blockCount = count;
    }

    private void Free()
    {
        for (int i = 0; i < _blockCount; i++)
            NativeMemory.Free(_blocks[i]);
        NativeMemory.Free(_blocks);
        _blocks = null;
        _blockCount = 0;
    }
}
