using System.Text.Json;

namespace KvChat.Evaluation.Questions;

/// <summary>A question about a document, with the answer that counts as right.</summary>
public sealed record DocumentQuestion(string Question, string Answer, string Value);

/// <summary>A document with its questions: one line of a questions file.</summary>
public sealed record QuestionDocument(string Id, string Document, IReadOnlyList<DocumentQuestion> Qa);

/// <summary>Reads files of documents with questions: JSON lines with <c>id</c>, <c>document</c> and <c>qa</c>, a list of <c>question</c>, <c>answer</c>, <c>value</c>.</summary>
public static class QuestionFile
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <exception cref="FormatException">A line is not as it should be; the message names it.</exception>
    public static IReadOnlyList<QuestionDocument> Read(string path)
    {
        var documents = new List<QuestionDocument>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                documents.Add(JsonSerializer.Deserialize<QuestionDocument>(line, s_json)!);
            }
            catch (JsonException error)
            {
                throw new FormatException($"{path}, line {number}: {error.Message}", error);
            }
        }

        return documents.Any(d => d.Qa.Count > 0) ? documents : throw new FormatException($"{path} holds no question.");
    }

    /// <summary>
    /// The sessions that ask the questions: question 1 of every document, then question 2, and so on, up to a limit; then, document by document, so many of
    /// the chosen questions in one session one after another.
    /// </summary>
    /// <param name="documents">All documents.</param>
    /// <param name="limit">Most questions; null for all.</param>
    /// <param name="turns">Most questions of a session.</param>
    public static IReadOnlyList<QuestionSession> Sessions(IReadOnlyList<QuestionDocument> documents, int? limit, int turns)
    {
        int rounds = documents.Max(d => d.Qa.Count);
        int[] taken = QuestionChoice.Taken([.. documents.Select(d => d.Qa.Count)], limit ?? int.MaxValue);
        var sessions = new List<QuestionSession>();
        for (int first = 0; first < rounds; first += turns)
        {
            for (int i = 0; i < documents.Count; i++)
            {
                if (taken[i] > first)
                    sessions.Add(new QuestionSession(documents[i], [.. documents[i].Qa.Take(taken[i]).Skip(first).Take(turns)]));
            }
        }

        return sessions;
    }
}

/// <summary>Questions that one session asks about one document, one after another.</summary>
public sealed record QuestionSession(QuestionDocument Document, IReadOnlyList<DocumentQuestion> Questions);
