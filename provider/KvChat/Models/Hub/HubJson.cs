using System.Text.Json.Serialization;

namespace KvChat.Models.Hub;

/// <summary>What the hub says about a repository at a revision (<c>/api/models/{id}/revision/{revision}?blobs=true</c>).</summary>
internal sealed record HubRepository(
    [property: JsonPropertyName("sha")] string? Sha,
    [property: JsonPropertyName("siblings")] IReadOnlyList<HubSibling?>? Siblings);

/// <summary>One file of it.</summary>
internal sealed record HubSibling(
    [property: JsonPropertyName("rfilename")] string? Path,
    [property: JsonPropertyName("size")] long? Size,
    [property: JsonPropertyName("blobId")] string? BlobId,
    [property: JsonPropertyName("lfs")] HubLargeFile? Large);

/// <summary>What is known of a file that is kept outside of the repository itself.</summary>
internal sealed record HubLargeFile(
    [property: JsonPropertyName("sha256")] string? Sha256,
    [property: JsonPropertyName("size")] long? Size);
