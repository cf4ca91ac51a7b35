namespace KvChat.Templates;

/// <summary>Escapes for HTML, which few chat templates want, but <c>safe</c> and <c>escape</c> bring along.</summary>
internal static class Html
{
    /// <summary>The text with its special characters escaped, and marked as HTML; one marked so already stays as it is.</summary>
    internal static TextValue Escape(TextValue text, Budget budget)
    {
        if (text.IsMarkup)
            return text;
        TextBuilder escaped = new(budget, "escape");
        for (int i = 0; i < text.Length; i++)
        {
            string? entity = text.Value[i] switch { '&' => "&amp;", '<' => "&lt;", '>' => "&gt;", '\'' => "&#39;", '"' => "&#34;", _ => null };
            if (entity is null)
                escaped.Append(text, i, 1);
            else
                escaped.Append(entity, text.OriginAt(i));
        }

        return escaped.ToText(isMarkup: true);
    }
}
