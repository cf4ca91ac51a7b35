namespace KvChat.StructuredOutput;

/// <summary>How constraints are compiled.</summary>
internal sealed record ConstraintOptions
{
    /// <summary>
    /// Whether an integer may also be written <c>1.0</c> or <c>1e2</c>, which JSON schema counts as integers. Off, since most readers of a
    /// typed integer refuse them.
    /// </summary>
    public bool IntegersWithPoint { get; init; }

    /// <summary>Whether times of the formats <c>time</c> and <c>date-time</c> may have the second 60, which RFC 3339 knows. Off, since most readers refuse it.</summary>
    public bool LeapSeconds { get; init; }

    /// <summary>In which order properties are written. The schema's by default: a model is led through it, and finds nothing left out behind it.</summary>
    public PropertyOrder PropertyOrder { get; init; }

    /// <summary>Constraints that are remembered, by content; the oldest use is forgotten first.</summary>
    public int CachedConstraints { get; init; } = 64;

    /// <summary>Most bytes of a schema, grammar or regular expression.</summary>
    public int LongestSource { get; init; } = 4 << 20;
}
