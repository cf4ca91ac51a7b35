using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace KvChat.Tools;

/// <summary>Whether a model may call tools.</summary>
internal enum ToolUse
{
    /// <summary>It knows them and may not call them now.</summary>
    Forbidden,

    /// <summary>It decides.</summary>
    Free,

    /// <summary>It must call at least one.</summary>
    Required,
}

/// <summary>The tools of a request.</summary>
/// <param name="Tools">All that the model is told of, in the caller's order.</param>
/// <param name="Use">Whether it may call them.</param>
/// <param name="Callable">Those that it may call.</param>
/// <param name="Several">Whether it may call more than one.</param>
internal sealed record ToolSettings(IReadOnlyList<AIFunctionDeclaration> Tools, ToolUse Use, IReadOnlyList<AIFunctionDeclaration> Callable, bool Several)
{
    private static readonly JsonDocumentOptions s_deep = new() { MaxDepth = Requests.OutsideJson.Deepest + 8 };

    /// <summary>Reads tools, mode and permission from options; null where they name no tool.</summary>
    /// <exception cref="NotSupportedException">A tool is hosted elsewhere, or the mode is not known.</exception>
    /// <exception cref="ArgumentException">Tools are missing, have the same name, or none has the required one.</exception>
    public static ToolSettings? Read(ChatOptions options)
    {
        if (options.Tools is not { Count: > 0 } given)
        {
            return options.ToolMode is RequiredChatToolMode
                ? throw new ArgumentException("ChatOptions.ToolMode requires a call, but ChatOptions.Tools is empty; give at least one tool.", nameof(options))
                : null;
        }

        var tools = new List<AIFunctionDeclaration>();
        foreach (AITool tool in given)
        {
            AIFunctionDeclaration function = tool as AIFunctionDeclaration
                ?? throw Requests.UnsupportedOptions.Refusal(nameof(options.Tools), $"\"{tool?.Name}\" ({tool?.GetType().Name}) is not a function, and this client hosts no tools");
            if (string.IsNullOrWhiteSpace(function.Name))
                throw new ArgumentException("ChatOptions.Tools holds a function without a name.", nameof(options));
            CheckText(function);
            if (tools.Exists(t => t.Name == function.Name))
                throw new ArgumentException($"ChatOptions.Tools holds two functions with the name \"{function.Name}\"; names must differ.", nameof(options));
            tools.Add(function);
        }

        return options.ToolMode switch
        {
            null or AutoChatToolMode => new ToolSettings(tools, ToolUse.Free, tools, options.AllowMultipleToolCalls ?? true),
            NoneChatToolMode => new ToolSettings(tools, ToolUse.Forbidden, [], false),
            RequiredChatToolMode { RequiredFunctionName: null } => new ToolSettings(tools, ToolUse.Required, tools, options.AllowMultipleToolCalls ?? true),
            RequiredChatToolMode { RequiredFunctionName: { } name } => new ToolSettings(tools, ToolUse.Required, [Named(tools, name)], options.AllowMultipleToolCalls ?? false),
            _ => throw Requests.UnsupportedOptions.Refusal(nameof(options.ToolMode), $"{options.ToolMode.GetType().Name} is not known"),
        };
    }

    private static void CheckText(AIFunctionDeclaration function)
    {
        for (int i = 0; i < function.Name.Length; i++)
        {
            bool isPair = i + 1 < function.Name.Length && char.IsSurrogatePair(function.Name[i], function.Name[i + 1]);
            if ((char.IsSurrogate(function.Name[i]) && !isPair) || char.IsControl(function.Name[i]))
                throw new ArgumentException($"ChatOptions.Tools holds a function whose name has U+{(int)function.Name[i]:X4} at {i}; names are characters without control characters.", nameof(function));
            i += isPair ? 1 : 0;
        }

        Requests.OutsideJson.Check(function.JsonSchema, $"ChatOptions.Tools: the parameters of \"{function.Name}\"");
    }

    /// <summary>The functions in OpenAI's form, as chat templates expect them.</summary>
    public JsonElement Declarations()
    {
        var list = new JsonArray();
        foreach (AIFunctionDeclaration tool in Tools)
        {
            var function = new JsonObject { ["name"] = tool.Name, ["description"] = tool.Description, ["parameters"] = JsonNode.Parse(Parameters(tool).GetRawText(), documentOptions: s_deep) };
            list.Add((JsonNode)new JsonObject { ["type"] = "function", ["function"] = function });
        }

        using JsonDocument document = JsonDocument.Parse(list.ToJsonString(), s_deep);
        return document.RootElement.Clone();
    }

    /// <summary>The schema of a tool's arguments, always one of an object.</summary>
    public static JsonElement Parameters(AIFunctionDeclaration tool)
    {
        if (tool.JsonSchema.ValueKind == JsonValueKind.Object && tool.JsonSchema.EnumerateObject().Any())
            return tool.JsonSchema;
        using JsonDocument none = JsonDocument.Parse("""{"type":"object","properties":{}}""");
        return none.RootElement.Clone();
    }

    private static AIFunctionDeclaration Named(List<AIFunctionDeclaration> tools, string name) =>
        tools.Find(t => t.Name == name)
        ?? throw new ArgumentException($"ChatOptions.ToolMode requires \"{name}\", and ChatOptions.Tools has: {string.Join(", ", tools.Select(t => t.Name))}.", nameof(name));
}
