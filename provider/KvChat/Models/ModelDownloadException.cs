using System.Globalization;
using System.Net;
using System.Text;

namespace KvChat.Models;

/// <summary>A model could not be fetched from the hub, or what came is not what it should be.</summary>
public sealed class ModelDownloadException : Exception
{
    /// <summary>An error about one address.</summary>
    /// <param name="url">What was asked for, without its query, which may hold signatures.</param>
    /// <param name="status">The server's answer, where there was one.</param>
    /// <param name="problem">What went wrong, as the end of a sentence that starts with the address.</param>
    /// <param name="hint">What would help, as a sentence; empty where nothing is known.</param>
    /// <param name="innerException">What caused this error, if anything did.</param>
    public ModelDownloadException(Uri url, HttpStatusCode? status, string problem, string hint, Exception? innerException = null)
        : base($"{url} {problem}.{(string.IsNullOrEmpty(hint) ? "" : " " + hint)}", innerException)
    {
        Url = url;
        Status = status;
        Hint = hint;
    }

    /// <summary>What was asked for.</summary>
    public Uri Url { get; }

    /// <summary>The server's answer; null where there was none, or where the answer itself was no error.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>What would help; may be empty.</summary>
    public string Hint { get; }

    /// <summary>Whether the server could not be asked at all just now, so that what lies in the cache may stand for its answer.</summary>
    internal bool IsOutage { get; init; }

    /// <summary>A text of a server made fit for a message: cut at 200 characters, control characters shown by their codes.</summary>
    internal static string Printable(string text)
    {
        const int longest = 200;
        StringBuilder builder = new();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, longest)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.Format)
                builder.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                builder.Append(c);
        }

        return text.Length > longest ? builder.Append('…').ToString() : builder.ToString();
    }
}
