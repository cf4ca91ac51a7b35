namespace KvChat.Templates;

/// <summary>An error inside the interpreter, which adds the line and turns it into a <see cref="ChatTemplateException"/>.</summary>
internal sealed class TemplateFault(string? construct, string message, bool raised = false) : Exception(message)
{
    internal string? Construct { get; } = construct;

    internal bool RaisedByTemplate { get; } = raised;
}
