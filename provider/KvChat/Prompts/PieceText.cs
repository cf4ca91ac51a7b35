using System.Text;
using KvChat.Runtime.Text;
using KvChat.Templates;

namespace KvChat.Prompts;

/// <summary>The content of one message while it is put together from pieces.</summary>
internal sealed class PieceText
{
    private readonly StringBuilder _text = new();
    private readonly List<OriginRun> _runs = [];

    public bool IsEmpty => _text.Length == 0;

    public void Add(string text, int origin)
    {
        _runs.Add(new OriginRun(_text.Length, text.Length, origin));
        _text.Append(text);
    }

    /// <summary>Adds all of another content, and a blank line.</summary>
    public void Add(PieceText other)
    {
        foreach (OriginRun run in other._runs)
            Add(other._text.ToString(run.Start, run.Length), run.Origin);
        AddBlankLine();
    }

    /// <summary>Adds a blank line and all of another content.</summary>
    public void Continue(PieceText other)
    {
        AddBlankLine();
        foreach (OriginRun run in other._runs)
            Add(other._text.ToString(run.Start, run.Length), run.Origin);
    }

    /// <summary>Ends the last piece with a blank line, where there is a piece and it does not end with one.</summary>
    public void AddBlankLine()
    {
        if (IsEmpty)
            return;
        int breaks = _text[^1] != '\n' ? 0 : _text.Length > 1 && _text[^2] == '\n' ? 2 : 1;
        _text.Append('\n', 2 - breaks);
        _runs[^1] = _runs[^1] with { Length = _runs[^1].Length + 2 - breaks };
    }

    public TemplateValue ToValue(bool asParts)
    {
        TemplateValue text = IsEmpty ? TemplateValue.Trusted("") : TemplateValue.Text(new RenderedText(_text.ToString(), _runs));
        return asParts ? TemplateValue.List([TemplateValue.Map([new("type", TemplateValue.Trusted("text")), new("text", text)])]) : text;
    }
}
