using System.Text.Encodings.Web;
using System.Text.Json;

namespace KvChat.Tools;

/// <summary>Texts as JSON, in the way that chat templates write them.</summary>
internal static class ToolJson
{
    /// <summary>A text between quotes; letters of other scripts stay themselves, as models have seen them.</summary>
    public static string Quoted(string text) => $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
}
