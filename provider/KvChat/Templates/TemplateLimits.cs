namespace KvChat.Templates;

/// <summary>
/// What one rendering may use before it ends in a <see cref="ChatTemplateException"/>. Published templates stay far below the defaults;
/// a template that loops or grows without end is stopped within about a second.
/// </summary>
public sealed record TemplateLimits
{
    /// <summary>The defaults.</summary>
    public static TemplateLimits Default { get; } = new();

    /// <summary>Evaluated nodes and visited elements.</summary>
    public long MaxSteps { get; init; } = 20_000_000;

    /// <summary>UTF-16 code units of the rendered prompt.</summary>
    public int MaxOutputLength { get; init; } = 16 << 20;

    /// <summary>UTF-16 code units of any one string.</summary>
    public int MaxTextLength { get; init; } = 16 << 20;

    /// <summary>UTF-16 code units written to strings, all together, however short-lived they are.</summary>
    public long MaxCharactersWritten { get; init; } = 256 << 20;

    /// <summary>Nested expressions, statements, macro calls and levels of printed data.</summary>
    public int MaxDepth { get; init; } = 1500;

    /// <summary>Elements of a <c>range</c>, or of a list that <c>*</c> or a filter makes.</summary>
    public int MaxRange { get; init; } = 100_000;
}
