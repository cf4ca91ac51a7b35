using System.Text.Json;

namespace LongDocument;

/// <summary>A question, the answer that is right, and the part of it that only the document tells.</summary>
internal sealed record Question(string Text, string Answer, string Value);

/// <summary>A document with its questions.</summary>
internal sealed record Document(string Id, string Text, IReadOnlyList<Question> Questions)
{
    /// <summary>The documents that are shipped.</summary>
    public static string Shipped { get; } = Path.Combine(AppContext.BaseDirectory, "data", "documents.jsonl");

    /// <summary>Reads JSON lines of <c>id</c>, <c>document</c> and <c>qa</c>, a list of <c>question</c>, <c>answer</c>, <c>value</c>.</summary>
    /// <exception cref="FormatException">A line is not as it should be; the message names it.</exception>
    public static IReadOnlyList<Document> Read(string path)
    {
        var documents = new List<Document>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                JsonElement root = json.RootElement;
                documents.Add(new Document(
                    root.TryGetProperty("id", out JsonElement id) ? id.ToString() : $"line {number}",
                    root.GetProperty("document").GetString() ?? throw new FormatException("document is null"),
                    [.. root.GetProperty("qa").EnumerateArray().Select(Asked)]));
            }
            catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new FormatException($"{path}, line {number}: {error.Message} Wanted: id, document, and qa with question, answer and value.", error);
            }
        }

        IReadOnlyList<Document> asked = [.. documents.Where(d => d.Questions.Count > 0)];
        return asked.Count > 0 ? asked : throw new FormatException($"{path} holds no document with a question.");
    }

    private static Question Asked(JsonElement row) => new(
        row.GetProperty("question").GetString()!, row.GetProperty("answer").GetString()!, row.GetProperty("value").GetString()!);
}
