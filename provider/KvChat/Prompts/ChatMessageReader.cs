using System.Text;
using KvChat.Documents;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Text;
using KvChat.Templates;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>
/// Turns chat messages into the values that a template sees, and lists their pieces. One object reads one conversation. Instructions and the leading system
/// messages become one system message. Several texts of a user's message are set apart by a blank line, where they do not have one.
/// </summary>
internal sealed class ChatMessageReader(TemplateTraits traits, DocumentStore? documents = null)
{
    private readonly List<PromptPiece> _pieces = [];
    private readonly List<TemplateValue> _messages = [];
    private readonly ToolContents _tools = new(traits);
    private readonly Dictionary<string, TemplateValue> _alone = new(StringComparer.Ordinal);
    private (string Role, PieceText Text)? _last;

    /// <summary>Origin n of the rendered text is the piece at n - 1.</summary>
    public IReadOnlyList<PromptPiece> Pieces => _pieces;

    /// <summary>The origin of tools that the template itself tells of.</summary>
    public int ToolsOrigin() => Origin(PromptSpanKind.Tools, null);

    /// <exception cref="NotSupportedException">A content would change the meaning, and cannot be read.</exception>
    /// <exception cref="ArgumentException">There is no message, or a null one.</exception>
    /// <param name="messages">The conversation.</param>
    /// <param name="instructions">What goes before all other system messages.</param>
    /// <param name="tools">Tools, for a template that does not tell the model of them, or wants them in the system message.</param>
    public TemplateValue Read(IReadOnlyList<ChatMessage> messages, string? instructions, string? tools = null)
    {
        int newest = -1;
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i] is null)
                throw new ArgumentException($"Message {i} is null.", nameof(messages));
            newest = messages[i].Role == ChatRole.User ? i : newest;
        }

        if (messages.Count == 0 && string.IsNullOrEmpty(instructions))
            throw new ArgumentException("There is no message to answer.", nameof(messages));
        PieceText system = new();
        if (!string.IsNullOrEmpty(instructions))
            system.Add(instructions, Origin(PromptSpanKind.System, null));
        int next = 0;
        for (; next < messages.Count && IsSystem(messages[next]); next++)
            AddTexts(system, messages[next], PromptSpanKind.System, apart: true);
        if (tools is not null && traits.ListsTools)
        {
            system.AddBlankLine();
            system.Add(tools, Origin(PromptSpanKind.Tools, null));
        }

        PieceText? pending = system.IsEmpty || traits.HasSystemRole ? null : system;
        if (tools is not null && traits.ToolsInSystemMessage)
            Add("system", system, ("tools", TemplateValue.Text(tools, Origin(PromptSpanKind.Tools, null))));
        else if (!system.IsEmpty && pending is null)
            Add("system", system);
        for (; next < messages.Count; next++)
        {
            AddMessage(messages[next], next == newest, next > newest, pending);
            pending = messages[next].Role == ChatRole.User ? null : pending;
        }

        if (pending is not null)
            Add("user", pending); // a model without system role, asked with nothing but a system message
        return TemplateValue.List(_messages);
    }

    private static bool IsSystem(ChatMessage message) => message.Role == ChatRole.System || message.Role.Value == "developer";

    private void AddMessage(ChatMessage message, bool isNewest, bool isCurrent, PieceText? system)
    {
        // What came after the newest question, such as results of tools, is read for it like a document.
        PromptSpanKind kind = isNewest ? PromptSpanKind.Question : isCurrent ? PromptSpanKind.Document : PromptSpanKind.EarlierTurn;
        PieceText text = new();
        if (message.Role == ChatRole.User)
        {
            if (system is not null)
                text.Add(system);
            AddTexts(text, message, kind, apart: true);
            Add("user", text);
        }
        else if (IsSystem(message))
        {
            AddTexts(text, message, PromptSpanKind.System, apart: true);
            Add("system", text);
        }
        else if (message.Role == ChatRole.Assistant)
        {
            AddTexts(text, message, PromptSpanKind.EarlierTurn, apart: false);
            AddAnswer(text, message);
        }
        else if (message.Role != ChatRole.Tool)
        {
            throw new NotSupportedException($"A message has the role \"{message.Role.Value}\"; system, developer, user, assistant and tool are known.");
        }
        else if (AddTexts(text, message, kind, apart: false))
        {
            Add("tool", text);
        }

        foreach (FunctionResultContent result in message.Contents.OfType<FunctionResultContent>())
            AddResult(result, Origin(kind, RetentionOf(result, message)));
    }

    /// <summary>An assistant's message, its reasoning and its calls; several messages where the template takes one call each.</summary>
    private void AddAnswer(PieceText text, ChatMessage message)
    {
        if (traits.ToolCalls == ToolCallForm.None)
        {
            _tools.AddCalls(text, message, call => Origin(PromptSpanKind.EarlierTurn, RetentionOf(call, message)));
            Add("assistant", text, ("reasoning_content", Reasoning(message)));
            return;
        }

        TemplateValue? reasoning = Reasoning(message);
        List<TemplateValue> calls = _tools.Calls(message, () => Origin(PromptSpanKind.EarlierTurn, RetentionProperty.Read(message.AdditionalProperties)));
        Add("assistant", text, ("reasoning_content", reasoning), ("tool_calls", calls.FirstOrDefault()));
        if (calls.Count < 2)
            return;
        string[] ids = [.. message.Contents.OfType<FunctionCallContent>().Select(c => c.CallId)];
        for (int i = 0; i < ids.Length; i++)
        {
            if (i > 0)
                Add("assistant", new PieceText(), ("tool_calls", calls[i]));
            _alone[ids[i]] = _messages[^1];
        }
    }

    private void AddResult(FunctionResultContent result, int origin)
    {
        if (traits.HasToolRole)
        {
            // Where calls stand in messages of their own, each result stands behind its call, as in a conversation of one call after the other.
            int call = _alone.Remove(result.CallId, out TemplateValue? made) ? _messages.IndexOf(made) : -1;
            _messages.Insert(call < 0 ? _messages.Count : call + 1, _tools.Result(result, origin));
            _last = null;
            return;
        }

        PieceText text = new();
        _tools.AddResult(text, result, origin);
        Add("user", text);
    }

    /// <summary>Adds the texts of a message; says whether there were any.</summary>
    private bool AddTexts(PieceText to, ChatMessage message, PromptSpanKind kind, bool apart)
    {
        bool any = AddDocument(to, documents?.Of(message), message, RetentionProperty.Read(message.AdditionalProperties));
        foreach (AIContent content in message.Contents)
        {
            if (AddDocument(to, documents?.Of(content), message, RetentionOf(content, message)))
            {
                any = true;
                continue;
            }

            if (ReadableText(content) is not { Length: > 0 } text)
                continue;
            if (apart)
                to.AddBlankLine();
            to.Add(text, Origin(kind, RetentionOf(content, message), message.Role == ChatRole.Assistant));
            any = true;
        }

        return any;
    }

    /// <summary>
    /// Adds a document, always with a blank line behind it: its tokens must not depend on what follows.
    /// </summary>
    /// <exception cref="NotSupportedException">It stands in a message that is not the user's.</exception>
    private bool AddDocument(PieceText to, ResidentText? document, ChatMessage message, KvRetention? retention)
    {
        if (document is null)
            return false;
        if (message.Role != ChatRole.User)
            throw new NotSupportedException($"A message of the role \"{message.Role.Value}\" holds document \"{document.Id}\"; documents stand in messages of the user.");
        to.AddBlankLine();
        _pieces.Add(new PromptPiece(PromptSpanKind.Document, retention, Document: document));
        to.Add(document.Text, _pieces.Count);
        to.AddBlankLine();
        return true;
    }

    /// <summary>The text of a content; null where it has none that the model is meant to read.</summary>
    private static string? ReadableText(AIContent content) => content switch
    {
        TextReasoningContent => null, // the template decides about it, see Reasoning
        TextContent text => text.Text,
        DataContent data when data.HasTopLevelMediaType("text") => Encoding.UTF8.GetString(data.Data.Span),
        DataContent data => throw new NotSupportedException($"A message holds {data.MediaType} data{Named(data.Name)}; this model reads text only."),
        UriContent uri => throw new NotSupportedException($"A message refers to {uri.Uri} ({uri.MediaType}); this client fetches nothing. Send its text."),
        HostedFileContent or HostedVectorStoreContent => throw new NotSupportedException($"A message holds a {content.GetType().Name}; this client hosts no files. Send the text."),
        _ => null,
    };

    private static string Named(string? name) => name is null ? "" : $" (\"{name}\")";

    private TemplateValue? Reasoning(ChatMessage message)
    {
        string text = string.Concat(message.Contents.OfType<TextReasoningContent>().Select(c => c.Text));
        return text.Length == 0 ? null : TemplateValue.Text(text, Origin(PromptSpanKind.EarlierTurn, RetentionProperty.Read(message.AdditionalProperties)));
    }

    private static KvRetention? RetentionOf(AIContent content, ChatMessage message) =>
        RetentionProperty.Read(content.AdditionalProperties) ?? RetentionProperty.Read(message.AdditionalProperties);

    private int Origin(PromptSpanKind kind, KvRetention? retention, bool isAnswer = false)
    {
        _pieces.Add(new PromptPiece(kind, retention, isAnswer));
        return _pieces.Count;
    }

    private void Add(string role, PieceText content, params ReadOnlySpan<(string Name, TemplateValue? Value)> others)
    {
        bool isPlain = true;
        foreach ((_, TemplateValue? value) in others)
            isPlain &= value is null;
        if (traits.Alternates && isPlain && (role is "user" or "assistant") && _last is { } last && last.Role == role)
        {
            last.Text.Continue(content); // the template takes no two messages of a role in a row
            content = last.Text;
            _messages.RemoveAt(_messages.Count - 1);
        }

        List<KeyValuePair<string, TemplateValue>> entries =
        [
            new("role", TemplateValue.Trusted(role)),
            new("content", content.ToValue(traits.WantsParts)),
        ];
        foreach ((string name, TemplateValue? value) in others)
        {
            if (value is not null)
                entries.Add(new(name, value));
        }

        _messages.Add(TemplateValue.Map(entries));
        _last = isPlain ? (role, content) : null;
    }
}
