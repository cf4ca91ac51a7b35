namespace KvChat.Templates;

/// <summary>
/// A chat template that cannot be read, uses something that is not supported, asked for an error itself (<c>raise_exception</c>),
/// or went over a limit of <see cref="TemplateLimits"/>.
/// </summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>An error without a place.</summary>
    public ChatTemplateException()
        : this("The chat template failed.")
    {
    }

    /// <summary>An error without a place.</summary>
    public ChatTemplateException(string message)
        : base(message)
    {
    }

    /// <summary>An error without a place, caused by another.</summary>
    public ChatTemplateException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    internal ChatTemplateException(string message, int line, string? construct, bool raised = false)
        : base(raised ? message : $"Chat template, line {line}: {message}")
    {
        Line = line;
        Construct = construct;
        RaisedByTemplate = raised;
    }

    /// <summary>Line of the template, from 1, where it went wrong; 0 where no line is known.</summary>
    public int Line { get; }

    /// <summary>The tag, filter, test, method, function, operator or limit that failed, as the template names it; null where none is to blame.</summary>
    public string? Construct { get; }

    /// <summary>Whether the template itself called <c>raise_exception</c>: then <see cref="Exception.Message"/> is exactly what it said.</summary>
    public bool RaisedByTemplate { get; }
}
