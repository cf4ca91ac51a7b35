using System.Diagnostics.CodeAnalysis;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>
/// The key-value pairs of a model file. A getter throws where the key is missing; its <c>TryGet</c> form then returns false. Both throw where the key is there with
/// a value of another type or range: a file that says something unusable is not read as one that says nothing.
/// </summary>
/// <remarks>The values are copies: they stay good after the file is closed.</remarks>
public sealed partial class GgufMetadata
{
    private readonly Dictionary<string, GgufEntry> _entries;
    private readonly string _file;

    internal GgufMetadata(Dictionary<string, GgufEntry> entries, string file)
    {
        _entries = entries;
        _file = file;
    }

    /// <summary>All keys, in the file's order.</summary>
    public IReadOnlyCollection<string> Keys => _entries.Keys;

    /// <summary>Whether the file has the key.</summary>
    public bool ContainsKey(string key) => _entries.ContainsKey(key);

    /// <summary>The type of a key's value; <see cref="GgufValueType.Array"/> for every array. False where the key is missing.</summary>
    public bool TryGetType(string key, out GgufValueType type)
    {
        bool found = _entries.TryGetValue(key, out GgufEntry entry);
        type = entry.Type;
        return found;
    }

    /// <summary>A string.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public string GetString(string key) => TryGetString(key, out string? value) ? value : throw Missing(key, "a string");

    /// <inheritdoc cref="GetString"/>
    public bool TryGetString(string key, [NotNullWhen(true)] out string? value)
    {
        value = Find(key, out GgufEntry entry) ? entry.Value as string ?? throw Wrong(key, entry, "a string") : null;
        return value is not null;
    }

    /// <summary>An integer of any type whose value fits.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public uint GetUInt32(string key) => TryGetUInt32(key, out uint value) ? value : throw Missing(key, "an integer");

    /// <inheritdoc cref="GetUInt32"/>
    public bool TryGetUInt32(string key, out uint value)
    {
        bool found = TryGetInteger(key, uint.MinValue, uint.MaxValue, out Int128 integer);
        value = (uint)integer;
        return found;
    }

    /// <summary>An integer of any type whose value fits.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public int GetInt32(string key) => TryGetInt32(key, out int value) ? value : throw Missing(key, "an integer");

    /// <inheritdoc cref="GetInt32"/>
    public bool TryGetInt32(string key, out int value)
    {
        bool found = TryGetInteger(key, int.MinValue, int.MaxValue, out Int128 integer);
        value = (int)integer;
        return found;
    }

    /// <summary>An integer of any type whose value fits.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public ulong GetUInt64(string key) => TryGetUInt64(key, out ulong value) ? value : throw Missing(key, "an integer");

    /// <inheritdoc cref="GetUInt64"/>
    public bool TryGetUInt64(string key, out ulong value)
    {
        bool found = TryGetInteger(key, ulong.MinValue, ulong.MaxValue, out Int128 integer);
        value = (ulong)integer;
        return found;
    }

    /// <summary>A float of 32 bits, or one of 64 rounded to 32.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public float GetSingle(string key) => TryGetSingle(key, out float value) ? value : throw Missing(key, "a float");

    /// <inheritdoc cref="GetSingle"/>
    public bool TryGetSingle(string key, out float value)
    {
        bool found = Find(key, out GgufEntry entry);
        value = !found ? 0 : entry.Value switch
        {
            float single => single,
            double wide => (float)wide,
            _ => throw Wrong(key, entry, "a float"),
        };
        return found;
    }

    /// <summary>A boolean.</summary>
    /// <exception cref="ModelFileException">The key is missing or holds something else.</exception>
    public bool GetBoolean(string key) => TryGetBoolean(key, out bool value) ? value : throw Missing(key, "a boolean");

    /// <inheritdoc cref="GetBoolean"/>
    public bool TryGetBoolean(string key, out bool value)
    {
        bool found = Find(key, out GgufEntry entry);
        value = found && (entry.Value as bool? ?? throw Wrong(key, entry, "a boolean"));
        return found;
    }

    internal long? OffsetOf(string key) => Find(key, out GgufEntry entry) ? entry.Offset : null;

    /// <summary>The same error with the file and the place where the field, or the array that it is an element of, stands.</summary>
    internal ModelFileException Locate(ModelFileException error) => error.File is not null
        ? error
        : new(error.Field, OffsetOf(error.Field.Split('[')[0]), error.Problem, _file, error);

    private bool TryGetInteger(string key, Int128 least, Int128 most, out Int128 value)
    {
        value = 0;
        if (!Find(key, out GgufEntry entry))
        {
            return false;
        }

        if (!TryInteger(entry.Value, out value))
        {
            throw Wrong(key, entry, "an integer");
        }

        return value >= least && value <= most
            ? true
            : throw new ModelFileException(ModelFileException.Printable(key), entry.Offset, $"is {value}; it must be between {least} and {most}", _file);
    }

    private static bool TryInteger(object boxed, out Int128 value)
    {
        Int128? integer = boxed switch
        {
            byte v => v,
            sbyte v => v,
            ushort v => v,
            short v => v,
            uint v => v,
            int v => v,
            ulong v => v,
            long v => v,
            _ => null,
        };
        value = integer ?? 0;
        return integer is not null;
    }

    private bool Find(string key, out GgufEntry entry)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _entries.TryGetValue(key, out entry);
    }

    private ModelFileException Missing(string key, string wanted) =>
        new(ModelFileException.Printable(key), null, $"is missing; {wanted} is needed", _file);

    private ModelFileException Wrong(string key, GgufEntry entry, string wanted)
    {
        string actual = entry.Value is GgufArray array ? $"an array of {array.ElementType}" : $"of type {entry.Type}";
        return new ModelFileException(ModelFileException.Printable(key), entry.Offset, $"is {actual}; {wanted} is needed", _file);
    }
}

/// <summary>One value with the place where it stands: a boxed number or boolean, a string or a <see cref="GgufArray"/>.</summary>
internal readonly record struct GgufEntry(GgufValueType Type, object Value, long Offset);

/// <summary>
/// An array with the type that the file gave it. That type decides how <see cref="Items"/> is cast: to the runtime an array of uint is also one of int.
/// </summary>
internal sealed record GgufArray(GgufValueType ElementType, Array Items);
