using KvChat.Kernels.Quantization;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>One tensor of a <see cref="GgufFile"/>. Its bytes were checked to lie within the file when that was opened.</summary>
/// <remarks>
/// A tensor lives as long as its file: <see cref="Data"/> refuses to answer once the file is closed, but a pointer taken before is then dangling. Who keeps
/// pointers keeps the file, and closes it after the last use.
/// </remarks>
public sealed unsafe class GgufTensor
{
    private readonly ModelBytes _bytes;

    internal GgufTensor(ModelBytes bytes, string name, WeightFormat format, long[] dimensions, long offset, long byteLength)
    {
        _bytes = bytes;
        Name = name;
        Format = format;
        Dimensions = Array.AsReadOnly(dimensions);
        Columns = checked((int)dimensions[0]);
        Rows = checked((int)dimensions.Skip(1).Aggregate(1L, (product, size) => checked(product * size)));
        FileOffset = offset;
        ByteLength = byteLength;
    }

    /// <summary>The name in the file, such as <c>blk.0.attn_q.weight</c>.</summary>
    public string Name { get; }

    /// <summary>How the weights are stored.</summary>
    public WeightFormat Format { get; }

    /// <summary>One to four sizes, each at least 1, in the file's order: columns first.</summary>
    public IReadOnlyList<long> Dimensions { get; }

    /// <summary>Weights in a row, which lie behind each other; a multiple of the format's block size.</summary>
    public int Columns { get; }

    /// <summary>Product of all dimensions but the first; 1 for a vector.</summary>
    public int Rows { get; }

    /// <summary>Bytes of a row.</summary>
    public long RowBytes => ByteLength / Rows;

    /// <summary>Bytes in all.</summary>
    public long ByteLength { get; }

    /// <summary>Byte of its file at which the tensor starts.</summary>
    public long FileOffset { get; }

    /// <summary>The first byte of <see cref="ByteLength"/>. Read-only memory: a write ends the process.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public byte* Data => _bytes.Start + FileOffset;

    /// <summary>Decodes one row to float32.</summary>
    /// <param name="row">0 to <see cref="Rows"/> - 1.</param>
    /// <param name="destination">[<see cref="Columns"/>].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="row"/> is not a row of this tensor.</exception>
    /// <exception cref="ArgumentException"><paramref name="destination"/> has another length.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public void ReadRow(int row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        if (destination.Length != Columns)
        {
            throw new ArgumentException($"A row of '{Name}' has {Columns} weights, not {destination.Length}.", nameof(destination));
        }

        fixed (float* to = destination)
        {
            Dequantizer.Dequantize(Format, Data + (row * RowBytes), to, Columns);
        }

        GC.KeepAlive(_bytes);
    }

    /// <summary>Decodes the whole tensor to float32, [<see cref="Rows"/>, <see cref="Columns"/>].</summary>
    /// <exception cref="OverflowException">The tensor has more weights than an array can hold.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public float[] ToFloats()
    {
        float[] values = new float[checked(Rows * Columns)];
        for (int row = 0; row < Rows; row++)
        {
            ReadRow(row, values.AsSpan(row * Columns, Columns));
        }

        return values;
    }
}
