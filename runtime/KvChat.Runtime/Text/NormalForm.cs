using System.Globalization;
using System.Text;

namespace KvChat.Runtime.Text;

/// <summary>Unicode's form NFC, with the places that its characters come from. Without globalisation data (invariant mode) every text counts as normal.</summary>
internal static class NormalForm
{
    /// <summary>Whether a text is not in the form; one with unpaired surrogates has none and stays as it is.</summary>
    public static bool Differs(ReadOnlySpan<char> text)
    {
        if (Ascii.IsValid(text))
            return false;
        try
        {
            return !text.IsNormalized(NormalizationForm.FormC);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The text in the form, and for each of its characters where what it was made of begins. Nothing composes across the borders of text elements.</summary>
    public static (string Text, int[] Origins) Of(ReadOnlySpan<char> text)
    {
        var result = new StringBuilder(text.Length);
        var origins = new List<int>(text.Length);
        for (int at = 0; at < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text[at..]);
            string element = text.Slice(at, length).ToString().Normalize(NormalizationForm.FormC);
            result.Append(element);
            for (int i = 0; i < element.Length; i++)
                origins.Add(at);
            at += length;
        }

        return (result.ToString(), [.. origins]);
    }
}
