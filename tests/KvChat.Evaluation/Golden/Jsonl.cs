using System.Text.Json;

namespace KvChat.Evaluation.Golden;

/// <summary>Reads JSON lines.</summary>
internal static class Jsonl
{
    public static IEnumerable<JsonElement> Read(string path)
    {
        foreach (string line in File.ReadLines(path))
        {
            if (line.Length == 0)
                continue;
            using JsonDocument document = JsonDocument.Parse(line);
            yield return document.RootElement.Clone();
        }
    }

    public static int[] Ints(this JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(static e => e.GetInt32())];

    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;

    /// <summary>A text, shortened, on one line.</summary>
    public static string Shown(string text) => JsonSerializer.Serialize(text.Length > 60 ? text[..60] : text);
}
