using System.Text.Json;
using KvChat.Evaluation.Metrics;

namespace KvChat.Evaluation.Tasks;

/// <summary>
/// Reads a folder of published data: LongBench's files (<c>DATASET.jsonl</c> with <c>input</c>, <c>context</c>, <c>answers</c>, <c>all_classes</c>; arXiv 2308.14508) and
/// RULER's (<c>TASK/validation.jsonl</c> with <c>input</c>, <c>outputs</c>; arXiv 2404.06654).
/// </summary>
public static class PublishedData
{
    /// <summary>Datasets in Chinese: their metric needs a word splitter of its own.</summary>
    private static readonly string[] s_chinese = ["multifieldqa_zh", "dureader", "vcsum", "lsht", "passage_retrieval_zh"];

    /// <param name="folder">The folder; files of both kinds may stand in it.</param>
    /// <param name="limit">Most rows of a file; null for all.</param>
    /// <param name="leftOut">Told of each file that is left out because its dataset is in Chinese; null for nobody.</param>
    /// <exception cref="FormatException">Nothing is there, or a line is not as it should be; the message names file, line and field.</exception>
    public static IReadOnlyList<TaskSet> Read(string folder, int? limit, Action<string>? leftOut = null)
    {
        var sets = new List<TaskSet>();
        foreach (string path in Directory.EnumerateFiles(folder, "*.jsonl", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (LongBench.Find(name) is { } dataset)
                sets.Add(dataset.Read(path, limit));
            else if (s_chinese.Contains(name))
                leftOut?.Invoke(path);
            else if (name == "validation" && Path.GetFileName(Path.GetDirectoryName(path)) is { } task)
                sets.Add(Ruler(path, task, limit));
            else
                throw new FormatException($"{path}: '{name}' is no dataset of LongBench that can be measured here ({string.Join(", ", LongBench.Names)}), and no validation.jsonl of RULER.");
        }

        return sets.Count > 0 ? sets : throw new FormatException($"{folder} holds no .jsonl file of LongBench or RULER that can be measured here ({string.Join(", ", LongBench.Names)}; validation.jsonl).");
    }

    /// <summary>The rows of a file as JSON objects, read one after another.</summary>
    internal static IEnumerable<(int Line, JsonElement Row)> Rows(string path, int? limit)
    {
        int number = 0, taken = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (taken++ >= (limit ?? int.MaxValue))
                yield break;
            JsonElement row;
            try
            {
                row = JsonDocument.Parse(line).RootElement;
            }
            catch (JsonException error)
            {
                throw new FormatException($"{path}, line {number}: {error.Message}", error);
            }

            yield return (number, row);
        }
    }

    internal static string Text(string path, int line, JsonElement row, string field) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new FormatException($"{path}, line {line}: '{field}' is missing or is no string.");

    internal static string[] Texts(string path, int line, JsonElement row, string field)
    {
        if (row.ValueKind != JsonValueKind.Object || !row.TryGetProperty(field, out JsonElement value))
            throw new FormatException($"{path}, line {line}: '{field}' is missing; it must be a list of strings.");
        if (value.ValueKind == JsonValueKind.Null)
            return [];
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(v => v.ValueKind is not (JsonValueKind.String or JsonValueKind.Number)))
            throw new FormatException($"{path}, line {line}: '{field}' is no list of strings.");
        return [.. value.EnumerateArray().Select(v => v.ToString())];
    }

    private static TaskSet Ruler(string path, string task, int? limit)
    {
        bool any = task.StartsWith("qa", StringComparison.Ordinal);
        var documents = new List<TaskDocument>();
        foreach ((int line, JsonElement row) in Rows(path, limit))
        {
            (string text, string question) = SplitLastLine(Text(path, line, row, "input"));
            if (row.TryGetProperty("answer_prefix", out _) && Text(path, line, row, "answer_prefix").Trim() is { Length: > 0 } prefix && !question.EndsWith(prefix, StringComparison.Ordinal))
                question = $"{question} {prefix}";
            documents.Add(new TaskDocument($"{documents.Count:000}", text, [new TaskQuestion(question, new ExpectedAnswer(Texts(path, line, row, "outputs"), []))]));
        }

        if (documents.Count == 0)
            throw new FormatException($"{path} holds no row.");
        return new TaskSet($"ruler-{task}", documents, any ? MatchMetrics.Any : MatchMetrics.All, RulerAnswerTokens(task), System: null);
    }

    /// <summary>Most tokens of an answer, as published.</summary>
    private static int RulerAnswerTokens(string task) => task switch
    {
        _ when task.StartsWith("qa", StringComparison.Ordinal) => 32,
        "vt" or "variable_tracking" => 30,
        "cwe" or "common_words_extraction" => 120,
        "fwe" or "freq_words_extraction" => 50,
        _ => 128,
    };

    /// <summary>RULER's rows are whole prompts; the question is their last line that is not empty.</summary>
    private static (string Text, string Question) SplitLastLine(string prompt)
    {
        string trimmed = prompt.TrimEnd();
        int cut = trimmed.LastIndexOf('\n');
        return cut < 0 ? ("", trimmed) : (trimmed[..cut].TrimEnd(), trimmed[(cut + 1)..]);
    }
}
