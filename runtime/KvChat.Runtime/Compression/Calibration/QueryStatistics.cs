using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Compression;

/// <summary>Mean and covariance of the queries of one head before rotation.</summary>
/// <param name="Mean"><c>[headDim]</c>.</param>
/// <param name="Covariance">Symmetric, <c>[headDim, headDim]</c>.</param>
public sealed record QueryMoments(float[] Mean, float[] Covariance);

/// <summary>What a model's queries are like, head by head; measured once per model (<see cref="QueryMeasurement"/>) and kept in a small file.</summary>
public sealed class QueryStatistics
{
    private const uint Magic = 0x5156_4B31; // "1KVQ"
    private readonly QueryMoments[] _moments;

    internal QueryStatistics(int layers, int heads, int headDim, QueryMoments[] moments)
    {
        (Layers, Heads, HeadDim, _moments) = (layers, heads, headDim, moments);
    }

    /// <summary>Layers.</summary>
    public int Layers { get; }

    /// <summary>Query heads of a layer.</summary>
    public int Heads { get; }

    /// <summary>Numbers of a query.</summary>
    public int HeadDim { get; }

    /// <summary>The moments of a query head.</summary>
    public QueryMoments Of(int layer, int queryHead) => _moments[(layer * Heads) + queryHead];

    /// <summary>Writes them: a head of four numbers, then per head the mean and the lower half of the covariance, all fp32 and little-endian.</summary>
    public byte[] ToBytes()
    {
        int perHead = HeadDim + (HeadDim * (HeadDim + 1) / 2);
        byte[] bytes = new byte[16 + (_moments.Length * perHead * sizeof(float))];
        uint[] head = [Magic, (uint)Layers, (uint)Heads, (uint)HeadDim];
        for (int i = 0; i < head.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), head[i]);
        Span<float> numbers = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(16));
        foreach (QueryMoments moments in _moments)
        {
            moments.Mean.CopyTo(numbers);
            numbers = numbers[HeadDim..];
            for (int row = 0; row < HeadDim; row++)
            {
                moments.Covariance.AsSpan(row * HeadDim, row + 1).CopyTo(numbers);
                numbers = numbers[(row + 1)..];
            }
        }

        return bytes;
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote.</summary>
    /// <exception cref="ModelFileException">The bytes are no such file, are cut off, or hold what is no number.</exception>
    public static QueryStatistics FromBytes(ReadOnlySpan<byte> bytes)
    {
        const string File = "query statistics";
        if (bytes.Length < 16 || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
            throw new ModelFileException(File, 0, "is not a file of query statistics.");
        uint layers = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), heads = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), dim = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        if (layers is 0 or > 4096 || heads is 0 or > 4096 || dim is 0 or > 4096)
            throw new ModelFileException(File, 4, $"has {layers} layers, {heads} heads and {dim} numbers a query; each must be from 1 to 4096.");
        long needed = 16 + ((long)layers * heads * (dim + ((long)dim * (dim + 1) / 2)) * sizeof(float));
        if (bytes.Length != needed)
            throw new ModelFileException(File, 16, $"has {bytes.Length} bytes; its shape needs {needed}.");
        ReadOnlySpan<float> numbers = MemoryMarshal.Cast<byte, float>(bytes[16..]);
        if (!TensorPrimitives.IsFiniteAll(numbers))
            throw new ModelFileException(File, 16, "holds what is no finite number.");
        var moments = new QueryMoments[layers * heads];
        for (int i = 0; i < moments.Length; i++)
            moments[i] = Read(ref numbers, (int)dim);
        return new QueryStatistics((int)layers, (int)heads, (int)dim, moments);
    }

    private static QueryMoments Read(ref ReadOnlySpan<float> numbers, int dim)
    {
        float[] mean = numbers[..dim].ToArray(), covariance = new float[dim * dim];
        numbers = numbers[dim..];
        for (int row = 0; row < dim; row++)
        {
            for (int column = 0; column <= row; column++)
                covariance[(row * dim) + column] = covariance[(column * dim) + row] = numbers[column];
            numbers = numbers[(row + 1)..];
        }

        return new QueryMoments(mean, covariance);
    }
}
