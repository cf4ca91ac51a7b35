using System.Text.Json.Serialization;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Writes strings as JSON without reflection.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class StringContext : JsonSerializerContext;
