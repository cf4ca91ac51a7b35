using KvChat.Answers;
using KvChat.Documents;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Text;
using KvChat.Templates;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>A prompt ready for the engine.</summary>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Spans">What its stretches are.</param>
/// <param name="Thinks">Whether it ends inside reasoning, which the answer goes on with.</param>
/// <param name="Documents">The prepared documents in it, in their order.</param>
/// <param name="StartTokens">Tokens up to the end of the first of them.</param>
internal sealed record BuiltPrompt(int[] Tokens, PromptSpan[] Spans, bool Thinks, IReadOnlyList<ResidentText> Documents, int StartTokens)
{
    /// <summary>Tokens of documents that are read as text, since only one can be the start of a prompt.</summary>
    public int DocumentTokensRead { get; init; }
}

/// <summary>Messages to tokens and spans: template values, the model's template, its tokeniser. Safe for concurrent use.</summary>
internal sealed class PromptBuilder
{
    /// <summary>Used where a file has no template, and its vocabulary has what this needs.</summary>
    internal const string ChatMl =
        "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endfor %}"
        + "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

    private readonly Tokenizer _tokenizer;
    private readonly ChatTemplate _template;
    private readonly TimeProvider _clock;
    private readonly PromptEncoder _encoder;

    /// <param name="template">The template, or null for ChatML.</param>
    /// <param name="tokenizer">The model's tokeniser.</param>
    /// <param name="clock">What the template reads the date from.</param>
    /// <exception cref="ChatTemplateException">The template cannot be read, or there is none and the model does not know ChatML.</exception>
    public PromptBuilder(string? template, Tokenizer tokenizer, TimeProvider clock)
    {
        _tokenizer = tokenizer;
        _clock = clock;
        if (template is null && (tokenizer.Find("<|im_start|>") is null || tokenizer.Find("<|im_end|>") is null))
        {
            throw new ChatTemplateException(
                "The model file has no tokenizer.chat_template, and its vocabulary lacks <|im_start|> and <|im_end|>, which the default (ChatML) needs; "
                + "set KvCompressChatOptions.ChatTemplate.");
        }

        string source = template ?? ChatMl;
        _template = ChatTemplate.Parse(source);
        _encoder = new PromptEncoder(tokenizer, Answers);
        Traits = new TemplateProbe(_template, Variables).Traits(source);
    }

    public TemplateTraits Traits { get; }

    public AnswerMemory Answers { get; } = new();

    /// <exception cref="ChatTemplateException">The template failed, or refused the conversation.</exception>
    /// <exception cref="NotSupportedException">A message holds what cannot be read.</exception>
    public BuiltPrompt Build(IReadOnlyList<ChatMessage> messages, RequestSettings settings, DocumentStore? documents = null)
    {
        ChatMessageReader reader = new(Traits, documents);
        TemplateInput input = Variables();
        ThinkingSettings thinking = settings.Thinking;
        if (settings.Tools is { } tools && Traits.ShowsTools)
            AddTools(input, TemplateValue.FromJson(tools.Declarations(), reader.ToolsOrigin()));
        string? told = settings.Tools is not { } given || Traits.ShowsTools ? null : Traits.ListsTools ? ToolListing.Of(given) : ToolListing.Plain(given);
        input["messages"] = reader.Read(messages, settings.Instructions, told);
        if (thinking.Enabled is { } enabled && Traits.CanSwitchThinking)
            input["enable_thinking"] = enabled;
        if (thinking.Effort is { } effort && effort != ReasoningEffort.None && Traits.KnowsReasoningEffort)
            input["reasoning_effort"] = TemplateValue.Trusted(EffortName(effort));
        RenderedText text = _template.Render(input);
        EncodedText encoded = _encoder.Encode(text, reader.Pieces, out int startTokens);
        bool thinks = Traits.Thinks && text.Text.AsSpan().TrimEnd().EndsWith(ReasoningReader.Open);
        ResidentText[] resident = [.. reader.Pieces.Where(p => p.Document is not null).Select(p => p.Document!)];
        return new BuiltPrompt(encoded.Ids, SpanBuilder.Build(text, encoded, reader.Pieces), thinks, resident, startTokens)
        {
            DocumentTokensRead = resident.Length < 2 ? 0 : SpanBuilder.TokensOf(text, encoded, o => reader.Pieces[o - 1].Document is not null, from: startTokens),
        };
    }

    /// <summary>Gives tools to a template under every name that templates in use read them by.</summary>
    internal static void AddTools(TemplateInput input, TemplateValue tools)
    {
        input["tools"] = tools;
        input["xml_tools"] = tools; // SmolLM3
    }

    private static string EffortName(ReasoningEffort effort) => effort switch
    {
        ReasoningEffort.Low => "low",
        ReasoningEffort.Medium => "medium",
        ReasoningEffort.High or ReasoningEffort.ExtraHigh => "high",
        _ => throw new NotSupportedException($"ChatOptions.Reasoning.Effort is {effort}; None, Low, Medium, High and ExtraHigh are known."),
    };

    private TemplateInput Variables()
    {
        var input = new TemplateInput
        {
            Clock = _clock,
            ["add_generation_prompt"] = true,
            ["tools"] = TemplateValue.Null,
            ["documents"] = TemplateValue.Null,
        };
        if (_tokenizer.BosId is { } bos)
            input["bos_token"] = TemplateValue.Trusted(_tokenizer.TextOf(bos));
        if (_tokenizer.EosId is { } eos)
            input["eos_token"] = TemplateValue.Trusted(_tokenizer.TextOf(eos));
        return input;
    }
}
