using System.Text.Json.Serialization;

namespace KvChat.Models.Ollama;

/// <summary>What Ollama writes about a model: the layers it consists of, each a file of its store.</summary>
internal sealed record OllamaManifest([property: JsonPropertyName("layers")] IReadOnlyList<OllamaLayer?>? Layers);

/// <summary>One layer.</summary>
internal sealed record OllamaLayer(
    [property: JsonPropertyName("mediaType")] string? MediaType,
    [property: JsonPropertyName("digest")] string? Digest,
    [property: JsonPropertyName("size")] long Size);
