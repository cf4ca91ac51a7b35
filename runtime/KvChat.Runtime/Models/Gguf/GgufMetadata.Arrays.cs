using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace KvChat.Runtime.Models.Gguf;

/// <content>The arrays among the values.</content>
public sealed partial class GgufMetadata
{
    /// <summary>An array of strings, as a copy.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public string[] GetStringArray(string key) =>
        TryGetStringArray(key, out string[]? values) ? values : throw Missing(key, "an array of strings");

    /// <inheritdoc cref="GetStringArray"/>
    public bool TryGetStringArray(string key, [NotNullWhen(true)] out string[]? values) =>
        TryGetArray(key, "an array of strings", array => array.ElementType == GgufValueType.String ? [.. (string[])array.Items] : null, out values);

    /// <summary>An array of integers of any type whose values all fit, as a copy.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public int[] GetInt32Array(string key) =>
        TryGetInt32Array(key, out int[]? values) ? values : throw Missing(key, "an array of integers");

    /// <inheritdoc cref="GetInt32Array"/>
    public bool TryGetInt32Array(string key, [NotNullWhen(true)] out int[]? values) =>
        TryGetArray(key, "an array of 32-bit integers", ToInt32, out values);

    /// <summary>An array of floats of 32 bits, or of 64 rounded to 32, as a copy.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public float[] GetSingleArray(string key) =>
        TryGetSingleArray(key, out float[]? values) ? values : throw Missing(key, "an array of floats");

    /// <inheritdoc cref="GetSingleArray"/>
    public bool TryGetSingleArray(string key, [NotNullWhen(true)] out float[]? values) =>
        TryGetArray(key, "an array of floats", ToSingle, out values);

    /// <summary>An array of booleans, as a copy.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public bool[] GetBooleanArray(string key) =>
        TryGetBooleanArray(key, out bool[]? values) ? values : throw Missing(key, "an array of booleans");

    /// <inheritdoc cref="GetBooleanArray"/>
    public bool TryGetBooleanArray(string key, [NotNullWhen(true)] out bool[]? values) =>
        TryGetArray(key, "an array of booleans", array => array.ElementType == GgufValueType.Boolean ? [.. (bool[])array.Items] : null, out values);

    private bool TryGetArray<T>(string key, string wanted, Func<GgufArray, T[]?> convert, [NotNullWhen(true)] out T[]? values)
    {
        values = null;
        if (!Find(key, out GgufEntry entry))
        {
            return false;
        }

        try
        {
            values = entry.Value is GgufArray array ? convert(array) : null;
        }
        catch (OverflowException exception)
        {
            throw new ModelFileException(ModelFileException.Printable(key), entry.Offset, $"has an element out of range; {wanted} is needed", _file, exception);
        }

        return values is not null ? true : throw Wrong(key, entry, wanted);
    }

    private static int[]? ToInt32(GgufArray array) => array.ElementType switch
    {
        GgufValueType.UInt8 => Narrow<byte>(array),
        GgufValueType.Int8 => Narrow<sbyte>(array),
        GgufValueType.UInt16 => Narrow<ushort>(array),
        GgufValueType.Int16 => Narrow<short>(array),
        GgufValueType.UInt32 => Narrow<uint>(array),
        GgufValueType.Int32 => Narrow<int>(array),
        GgufValueType.UInt64 => Narrow<ulong>(array),
        GgufValueType.Int64 => Narrow<long>(array),
        _ => null,
    };

    private static float[]? ToSingle(GgufArray array) => array.ElementType switch
    {
        GgufValueType.Float32 => [.. (float[])array.Items],
        GgufValueType.Float64 => Array.ConvertAll((double[])array.Items, value => (float)value),
        _ => null,
    };

    private static int[] Narrow<T>(GgufArray array) where T : IBinaryInteger<T> =>
        Array.ConvertAll((T[])array.Items, int.CreateChecked);
}
