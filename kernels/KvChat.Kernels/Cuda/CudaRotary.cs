using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>Cosines and sines of all positions from 0 on, <c>[positions, 2 * pairs]</c> on the device; grows with the largest position that is asked for.</summary>
internal sealed class CudaRotary : DeviceRotary
{
    private const int FirstCapacity = 4096;

    private readonly ICudaQueue _queue;
    private readonly float[] _inverseFrequencies;
    private readonly float _magnitude;
    private int _capacity;
    private bool _disposed;

    /// <exception cref="ArgumentException">There is no frequency.</exception>
    public CudaRotary(ICudaQueue queue, ReadOnlySpan<float> inverseFrequencies, float magnitude)
        : base(2 * inverseFrequencies.Length)
    {
        if (inverseFrequencies.IsEmpty)
            throw new ArgumentException("There is no frequency.", nameof(inverseFrequencies));
        _queue = queue;
        _inverseFrequencies = inverseFrequencies.ToArray();
        _magnitude = magnitude;
    }

    /// <summary>Pairs that are rotated.</summary>
    public int Pairs => _inverseFrequencies.Length;

    /// <summary>Device address of the table; changes where <see cref="Prepare"/> makes it grow.</summary>
    public nint Address { get; private set; }

    /// <summary>The angles as this back end's own, or null.</summary>
    /// <exception cref="ArgumentException">They belong to another back end, or a head has fewer coordinates.</exception>
    public static CudaRotary? From(DeviceRotary? rotary, int headDim)
    {
        if (rotary is null)
            return null;
        if (rotary is not CudaRotary own)
            throw new ArgumentException($"A {rotary.GetType().Name} is no rotary table of the CUDA back end.", nameof(rotary));
        return own.Dimensions <= headDim ? own : throw new ArgumentException($"The table rotates {own.Dimensions} coordinates, a head has {headDim}.", nameof(rotary));
    }

    /// <summary>Makes sure that these positions are in the table.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A position is negative.</exception>
    public void Prepare(ReadOnlySpan<int> positions)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int largest = -1;
        foreach (int position in positions)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(position);
            largest = Math.Max(largest, position);
        }

        if (largest >= _capacity)
            Grow((int)Math.Min(Math.Max((largest + 1L + FirstCapacity - 1) / FirstCapacity * FirstCapacity, 2L * _capacity), int.MaxValue));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (Address != 0)
            _queue.Free(Address);
        Address = 0;
    }

    private void Grow(int capacity)
    {
        float[] angles = new float[checked((long)capacity * 2 * Pairs)];
        long next = 0;
        for (int position = 0; position < capacity; position++, next += 2 * Pairs)
        {
            for (int i = 0; i < Pairs; i++)
            {
                (double sine, double cosine) = Math.SinCos(position * _inverseFrequencies[i]);
                angles[next + i] = (float)cosine * _magnitude;
                angles[next + Pairs + i] = (float)sine * _magnitude;
            }
        }

        if (Address != 0)
            _queue.Free(Address);
        Address = 0;
        _capacity = 0;
        Address = _queue.Allocate(angles.LongLength * sizeof(float));
        _queue.Upload(Address, MemoryMarshal.AsBytes<float>(angles));
        _capacity = capacity;
    }
}
