using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace KvChat.SemanticKernel;

/// <summary>
/// Execution settings that hold whole <see cref="ChatOptions"/>, with whatever has no name among the kernel's own settings: compression, a JSON schema, reasoning. Plain
/// <see cref="PromptExecutionSettings"/> work as well; the names in their extension data are those of OpenAI and of <see cref="KvOptionNames"/>.
/// </summary>
public sealed class KvCompressExecutionSettings : PromptExecutionSettings
{
    private ChatOptions? _options;

    /// <summary>
    /// What is asked of the model. What it says goes before the same setting in <see cref="PromptExecutionSettings.ExtensionData"/>; its tools come after the kernel's. It is
    /// never changed.
    /// </summary>
    [System.Text.Json.Serialization.JsonIgnore] // the kernel passes settings through JSON, which options do not survive
    public ChatOptions? Options
    {
        get => _options;
        set
        {
            ThrowIfFrozen();
            _options = value;
        }
    }

    /// <summary>Settings with a compression and nothing else.</summary>
    /// <param name="compression">How much is kept, and when it is chosen.</param>
    public static KvCompressExecutionSettings Compressed(KvCompression compression)
    {
        ArgumentNullException.ThrowIfNull(compression);
        return new KvCompressExecutionSettings { Options = new ChatOptions().WithKvCompression(compression) };
    }

    /// <inheritdoc/>
    public override PromptExecutionSettings Clone() => new KvCompressExecutionSettings
    {
        ModelId = ModelId,
        ServiceId = ServiceId,
        FunctionChoiceBehavior = FunctionChoiceBehavior,
        ExtensionData = ExtensionData is null ? null : new Dictionary<string, object>(ExtensionData),
        Options = Options?.Clone(),
    };

    /// <inheritdoc/>
    protected override void PrepareChatOptionsForRequest(ChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (_options is null)
            return;
        ChatOptions own = _options.Clone();
        options.ModelId = own.ModelId ?? options.ModelId;
        options.Instructions = own.Instructions ?? options.Instructions;
        options.Temperature = own.Temperature ?? options.Temperature;
        options.TopP = own.TopP ?? options.TopP;
        options.TopK = own.TopK ?? options.TopK;
        options.FrequencyPenalty = own.FrequencyPenalty ?? options.FrequencyPenalty;
        options.PresencePenalty = own.PresencePenalty ?? options.PresencePenalty;
        options.Seed = own.Seed ?? options.Seed;
        options.MaxOutputTokens = own.MaxOutputTokens ?? options.MaxOutputTokens;
        options.StopSequences = own.StopSequences ?? options.StopSequences;
        options.ResponseFormat = own.ResponseFormat ?? options.ResponseFormat;
        options.Reasoning = own.Reasoning ?? options.Reasoning;
        options.ToolMode = own.ToolMode ?? options.ToolMode;
        options.AllowMultipleToolCalls = own.AllowMultipleToolCalls ?? options.AllowMultipleToolCalls;
        options.ConversationId = own.ConversationId ?? options.ConversationId;
        options.RawRepresentationFactory = own.RawRepresentationFactory ?? options.RawRepresentationFactory;
        foreach (AITool tool in own.Tools ?? [])
            (options.Tools ??= []).Add(tool);
        foreach ((string name, object? value) in own.AdditionalProperties ?? [])
            (options.AdditionalProperties ??= [])[name] = value;
    }
}
