using System.Text.Json.Serialization;

namespace KvChat.Evaluation.Tools;

/// <summary>What came of all rows in one mode.</summary>
internal sealed record ToolCounts
{
    /// <summary><c>auto</c> or <c>require-any</c>.</summary>
    [JsonPropertyName("mode")]
    public required string Mode { get; init; }

    /// <summary>Rows.</summary>
    [JsonPropertyName("asked")]
    public required int Asked { get; init; }

    /// <summary>Rows whose calls are those of the file: names, arguments and order, and no others.</summary>
    [JsonPropertyName("exact")]
    public required int Exact { get; init; }

    /// <summary>Rows all of whose calls match the schema of their tool; in <c>require-any</c> there must be one. Rows without calls are valid.</summary>
    [JsonPropertyName("valid")]
    public required int Valid { get; init; }

    /// <summary>Wall time of all.</summary>
    [JsonPropertyName("seconds")]
    public required double Seconds { get; init; }
}
