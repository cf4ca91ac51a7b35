using KvChat.Runtime.Models.Gguf;

namespace KvChat.Runtime.Models;

/// <summary>Metadata fields of one family, checked against their ranges.</summary>
internal sealed class GgufFields(GgufMetadata metadata, string family)
{
    public string Family => family;

    public int Required(string name, int least, int most) => Ranged(name, metadata.GetInt32(Key(name)), least, most);

    public int Optional(string name, int fallback, int least, int most) =>
        Ranged(name, metadata.TryGetInt32(Key(name), out int value) ? value : fallback, least, most);

    public bool Has(string name) => metadata.ContainsKey(Key(name));

    public string? Text(string name) => metadata.TryGetString(Key(name), out string? value) ? value : null;

    public bool Flag(string name, bool fallback) => metadata.TryGetBoolean(Key(name), out bool value) ? value : fallback;

    /// <summary>A list of flags, or null where the field is missing or one number.</summary>
    public bool[]? Flags(string name) =>
        metadata.TryGetType(Key(name), out GgufValueType type) && type == GgufValueType.Array ? metadata.GetBooleanArray(Key(name)) : null;

    /// <summary>A number; required where the fallback is null.</summary>
    public float Single(string name, float? fallback, float least, float most)
    {
        float value = metadata.TryGetSingle(Key(name), out float read) ? read : fallback ?? metadata.GetSingle(Key(name));
        return value >= least && value <= most ? value : throw Error(name, $"is {value}; it must be from {least} to {most}.");
    }

    public ModelFileException Error(string name, string problem) => new(Key(name), null, problem);

    private string Key(string name) => $"{family}.{name}";

    private int Ranged(string name, int value, int least, int most) =>
        value >= least && value <= most ? value : throw Error(name, $"is {value}; it must be from {least} to {most}.");
}
