using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>The head whose KVs a scorer looks at.</summary>
/// <param name="Cache">The sequence.</param>
/// <param name="Layer">Layer.</param>
/// <param name="KvHead">KV head.</param>
/// <param name="Settings">The request's settings.</param>
/// <param name="Model">What scorers know of the model.</param>
public readonly record struct ScoredHead(SequenceCache Cache, int Layer, int KvHead, KvCompression Settings, ScoringModel Model)
{
    /// <summary>Numbers of a key, and of a value.</summary>
    public int HeadDim => Cache.Pool.Arena.Shape.HeadDim;

    /// <summary>KVs at the right end of the head's table; they come first in whatever is read.</summary>
    public int LowLength => Cache.Table(Layer, KvHead).LowLength;

    /// <summary>Reads what attention has recorded, <c>[length]</c>.</summary>
    public void ReadRecorded(Span<float> scores) => Cache.ReadScores(Layer, KvHead, scores);

    /// <summary>Reads the positions, <c>[length]</c>.</summary>
    public void ReadPositions(Span<int> positions) => Cache.ReadPositions(Layer, KvHead, positions);

    /// <summary>Reads the keys as fp32, <c>[length, headDim]</c>.</summary>
    public void ReadKeys(Span<float> keys)
    {
        HeadTable table = Cache.Table(Layer, KvHead);
        int low = table.LowLength * HeadDim;
        if (low > 0)
            Cache.Pool.Arena.ReadKeys(table.View.LowEnd, Cache.LowFormat!.Value, keys[..low]);
        Cache.Pool.Arena.ReadKeys(table.View, Cache.Format, keys[low..]);
    }

    /// <summary>Reads the values as fp32, <c>[length, headDim]</c>.</summary>
    public void ReadValues(Span<float> values)
    {
        HeadTable table = Cache.Table(Layer, KvHead);
        int low = table.LowLength * HeadDim;
        if (low > 0)
            Cache.Pool.Arena.ReadValues(table.View.LowEnd, Cache.LowFormat!.Value, values[..low]);
        Cache.Pool.Arena.ReadValues(table.View, Cache.Format, values[low..]);
    }
}
