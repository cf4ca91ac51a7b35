using System.Buffers;
using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>The head whose KVs a scorer looks at.</summary>
/// <param name="Cache">The sequence.</param>
/// <param name="Layer">Layer.</param>
/// <param name="KvHead">KV head.</param>
/// <param name="Settings">The request's settings.</param>
/// <param name="Model">What scorers know of the model.</param>
/// <param name="Memory">What the scorer has found out about the head's KVs before, and where it notes what it finds; null where nobody will ask again.</param>
public readonly record struct ScoredHead(SequenceCache Cache, int Layer, int KvHead, KvCompression Settings, ScoringModel Model, HeadMemory? Memory = null)
{
    /// <summary>Numbers of a key, and of a value.</summary>
    public int HeadDim => Cache.Pool.Arena.Shape.HeadDim;

    /// <summary>KVs of the head.</summary>
    public int Length => Table.LowLength + Table.Length;

    /// <summary>KVs at the right end of the head's table; they come first in whatever is read.</summary>
    public int LowLength => Table.LowLength;

    private HeadTable Table => Cache.Table(Layer, KvHead);

    /// <summary>Reads what attention has recorded, <c>[length]</c>.</summary>
    public void ReadRecorded(Span<float> scores) => Cache.ReadScores(Layer, KvHead, scores);

    /// <summary>Reads the positions, <c>[length]</c>.</summary>
    public void ReadPositions(Span<int> positions) => Cache.ReadPositions(Layer, KvHead, positions);

    /// <summary>Reads keys as fp32, <c>[length - first, headDim]</c>.</summary>
    /// <param name="first">First KV: 0, or one of the left end.</param>
    /// <param name="keys">Receives them.</param>
    public void ReadKeys(int first, Span<float> keys) => Read(isKey: true, first, keys);

    /// <summary>Reads values as fp32, <c>[length - first, headDim]</c>.</summary>
    /// <param name="first">First KV: 0, or one of the left end.</param>
    /// <param name="values">Receives them.</param>
    public void ReadValues(int first, Span<float> values) => Read(isKey: false, first, values);

    private void Read(bool isKey, int first, Span<float> target)
    {
        HeadTable table = Table;
        if (first < table.LowLength)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(first, 0);
            Read(isKey, table.View.LowEnd, Cache.LowFormat!.Value, target[..(table.LowLength * HeadDim)]);
            target = target[(table.LowLength * HeadDim)..];
            first = table.LowLength;
        }

        // Pages are read from their start: of one that is asked for in part, the part goes through a copy.
        int skipped = first - table.LowLength, page = skipped / Cache.PageTokens, inPage = skipped % Cache.PageTokens;
        if (inPage > 0)
        {
            int count = Math.Min(Cache.PageTokens, table.Length - (page * Cache.PageTokens));
            float[] whole = ArrayPool<float>.Shared.Rent(count * HeadDim);
            Read(isKey, table.Part(page, count), Cache.Format, whole.AsSpan(0, count * HeadDim));
            whole.AsSpan(inPage * HeadDim, (count - inPage) * HeadDim).CopyTo(target);
            target = target[((count - inPage) * HeadDim)..];
            ArrayPool<float>.Shared.Return(whole);
            page++;
        }

        if (!target.IsEmpty)
            Read(isKey, table.Part(page, table.Length - (page * Cache.PageTokens)), Cache.Format, target);
    }

    private void Read(bool isKey, HeadView end, KvFormat format, Span<float> target)
    {
        if (isKey)
            Cache.Pool.Arena.ReadKeys(end, format, target);
        else
            Cache.Pool.Arena.ReadValues(end, format, target);
    }
}
