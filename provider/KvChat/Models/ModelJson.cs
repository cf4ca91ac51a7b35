using System.Text.Json.Serialization;
using KvChat.Models.Hub;
using KvChat.Models.Ollama;

namespace KvChat.Models;

/// <summary>What is read as JSON here, without reflection.</summary>
[JsonSerializable(typeof(OllamaManifest))]
[JsonSerializable(typeof(HubRepository))]
internal sealed partial class ModelJson : JsonSerializerContext;
