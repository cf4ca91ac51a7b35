using System.Text;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

/// <summary>Reads the tokeniser's fields of a GGUF file that the tests trust.</summary>
internal static class VocabularyFile
{
    private static readonly Lazy<Tokenizer> EmbeddedTokenizer = new(() => TokenizerFactory.Create(Read(SharedFiles.EmbeddedModel)));

    /// <summary>The tokeniser of the model that travels with the repository.</summary>
    public static Tokenizer Embedded => EmbeddedTokenizer.Value;

    public static TokenizerData Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        reader.ReadBytes(16);
        long count = reader.ReadInt64();
        var fields = new Dictionary<string, object>();
        for (long i = 0; i < count; i++)
            fields[Text(reader)] = Value(reader, reader.ReadInt32());
        return new TokenizerData
        {
            Model = (string)fields["tokenizer.ggml.model"],
            Pre = (string?)fields.GetValueOrDefault("tokenizer.ggml.pre"),
            Tokens = [.. ((object[])fields["tokenizer.ggml.tokens"]).Cast<string>()],
            Scores = List<float>(fields, "scores"),
            TokenTypes = List<int>(fields, "token_type"),
            Merges = List<string>(fields, "merges"),
            Bos = Id(fields, "bos"),
            Eos = Id(fields, "eos"),
            Unknown = Id(fields, "unknown"),
            AddBos = (bool?)fields.GetValueOrDefault("tokenizer.ggml.add_bos_token"),
            AddSpacePrefix = (bool?)fields.GetValueOrDefault("tokenizer.ggml.add_space_prefix"),
        };
    }

    private static T[]? List<T>(Dictionary<string, object> fields, string name) =>
        fields.TryGetValue($"tokenizer.ggml.{name}", out object? value) ? [.. ((object[])value).Cast<T>()] : null;

    private static int? Id(Dictionary<string, object> fields, string name) =>
        fields.TryGetValue($"tokenizer.ggml.{name}_token_id", out object? value) ? (int)(uint)value : null;

    private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadInt64()));

    private static object Value(BinaryReader reader, int type) => type switch
    {
        0 => reader.ReadByte(),
        1 => reader.ReadSByte(),
        2 => reader.ReadUInt16(),
        3 => reader.ReadInt16(),
        4 => reader.ReadUInt32(),
        5 => reader.ReadInt32(),
        6 => reader.ReadSingle(),
        7 => reader.ReadBoolean(),
        8 => Text(reader),
        9 => Values(reader),
        10 => reader.ReadUInt64(),
        11 => reader.ReadInt64(),
        12 => reader.ReadDouble(),
        _ => throw new InvalidOperationException($"GGUF type {type}"),
    };

    private static object[] Values(BinaryReader reader)
    {
        int type = reader.ReadInt32();
        var values = new object[reader.ReadInt64()];
        for (int i = 0; i < values.Length; i++)
            values[i] = Value(reader, type);
        return values;
    }
}
