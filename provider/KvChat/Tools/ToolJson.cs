using System.Text.Json.Serialization;

namespace KvChat.Tools;

/// <summary>Serialisation of plain strings without reflection.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class ToolJson : JsonSerializerContext;
