using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace KvChat.Requests;

/// <summary>Serialisation of nodes without reflection.</summary>
[JsonSerializable(typeof(JsonNode))]
internal sealed partial class NodeJson : JsonSerializerContext;
