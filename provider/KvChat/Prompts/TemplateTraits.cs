using KvChat.Tools;

namespace KvChat.Prompts;

/// <summary>How a chat template writes the arguments of a tool call.</summary>
internal enum ToolCallForm
{
    /// <summary>It has no place for tool calls.</summary>
    None,

    /// <summary>It wants a map and prints it as JSON.</summary>
    Map,

    /// <summary>It wants JSON as a string.</summary>
    Text,
}

/// <summary>What a chat template can do.</summary>
internal sealed record TemplateTraits
{
    /// <summary>Whether contents must be lists of typed parts.</summary>
    public bool WantsParts { get; init; }

    /// <summary>Whether it has a place for a system prompt.</summary>
    public bool HasSystemRole { get; init; }

    /// <summary>How it writes tool calls.</summary>
    public ToolCallForm ToolCalls { get; init; }

    /// <summary>Whether it has a place for results of tools.</summary>
    public bool HasToolRole { get; init; }

    /// <summary>Whether it tells the model of tools; where it does not, the system message does.</summary>
    public bool ShowsTools { get; init; }

    /// <summary>Whether the tools stand in the system message as a property, JSON in a string (Phi-4-mini).</summary>
    public bool ToolsInSystemMessage { get; init; }

    /// <summary>Whether the model is told of tools in the words of <see cref="ToolListing"/>.</summary>
    public bool ListsTools => !ShowsTools && !ToolsInSystemMessage;

    /// <summary>Whether a message may hold one call and no more (Llama 3).</summary>
    public bool TakesOneCall { get; init; }

    /// <summary>Whether it refuses two messages of the same role in a row (Gemma, Mistral).</summary>
    public bool Alternates { get; init; }

    /// <summary>How its model writes calls.</summary>
    public ToolCallSyntax ToolSyntax { get; init; } = ToolCallSyntax.Hermes;

    /// <summary>Whether ids of calls must be nine letters or digits.</summary>
    public bool NeedsShortIds { get; init; }

    /// <summary>Whether its model thinks between marks before it answers.</summary>
    public bool Thinks { get; init; }

    /// <summary>Whether it reads <c>enable_thinking</c>.</summary>
    public bool CanSwitchThinking { get; init; }

    /// <summary>Whether it reads <c>reasoning_effort</c>.</summary>
    public bool KnowsReasoningEffort { get; init; }
}
