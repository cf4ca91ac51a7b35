using System.Text.Json;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;

namespace KvChat.Quality;

/// <summary>
/// Tables of measured quality as JSON: <c>version</c> (1), <c>model</c>, <c>measured</c>, and <c>rows</c> whose fields have the names of the evaluation's CSV (<c>KvChat.Evaluation grid</c>). They lie
/// beside models' files and are as foreign as those: every field is checked, and one that means nothing is an error.
/// </summary>
internal static class QualityTableFile
{
    /// <summary>What a table's file name ends in.</summary>
    public const string Ending = ".kvquality.json";

    private const int Version = 1, MostBytes = 1 << 20, MostRows = 10_000, LongestText = 1000, MostTokens = 100_000_000;
    private static readonly string[] s_fields = ["version", "model", "measured", "rows"];
    private static readonly string[] s_rowFields = ["set", "tokens", "policy", "retained", "format", "low_format", "query", "schedule", "asked", "of_full", "bytes_of_full"];
    private static readonly (string, QualityQuery)[] s_queries = [("known", QualityQuery.Known), ("unknown", QualityQuery.Unknown), ("later", QualityQuery.Later)];
    private static readonly (string, CompressionSchedule)[] s_schedules = [("after", CompressionSchedule.AfterPrompt), ("during", CompressionSchedule.WhileReading)];
    private static readonly (string, KvFormat)[] s_formats = [.. Enum.GetValues<KvFormat>().Select(f => (f.ToString().ToLowerInvariant(), f))];
    private static readonly (string, KvFormat)[] s_lowFormats = [.. s_formats.Where(f => f.Item2.IsQuantized())];
    private static readonly (string, string)[] s_policies = [.. CompressionPolicies.Names.Select(n => (n, n))];

    /// <summary>Where the table of a model lies: its file's name with another ending; of a folder, <c>model.kvquality.json</c> in it.</summary>
    /// <param name="modelFile">The file that is opened: of a split model the first part, of a folder its config.json.</param>
    public static string PathFor(string modelFile)
    {
        string name = Path.GetFileName(modelFile);
        string stem = name == "config.json" ? "model" : name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? name[..^5] : name;
        return Path.Combine(Path.GetDirectoryName(modelFile) ?? "", stem + Ending);
    }

    /// <summary>The table of a model, or null where there is no file.</summary>
    /// <param name="path">Where it lies.</param>
    /// <param name="model">The model's own name, which the table must be of; null for any.</param>
    /// <exception cref="ModelFileException">The file cannot be used; the message names field and value.</exception>
    public static QualityTable? Read(string path, string? model)
    {
        byte[] bytes;
        try
        {
            if (!File.Exists(path))
                return null;
            using FileStream file = File.OpenRead(path);
            var room = new byte[MostBytes + 1];
            int length = file.ReadAtLeast(room, room.Length, throwOnEndOfStream: false);
            if (length > MostBytes)
                throw new ModelFileException("the file", null, $"has more than {MostBytes} bytes; no table is that long", path);
            bytes = room[..length];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException("the file", null, $"cannot be read: {error.Message}", path, error);
        }

        QualityTable table = Parse(bytes, path);
        if (model is not null && table.Model != model)
            throw Wrong(path, "model", Quoted(table.Model), $"{Quoted(model)}, the name of the model beside it; measure that one, or take the table away");
        return table;
    }

    /// <summary>Reads a table.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="path">Its name in errors.</param>
    /// <exception cref="ModelFileException">It cannot be used; the message names field and value.</exception>
    public static QualityTable Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            var root = new Fields(document.RootElement, "", path, s_fields);
            root.Number("version", Version, Version, $"{Version}");
            var rows = new List<QualityRow>();
            var keys = new HashSet<object>();
            foreach (JsonElement element in root.List("rows", MostRows))
            {
                QualityRow row = Row(new Fields(element, $"rows[{rows.Count}]", path, s_rowFields));
                if (!keys.Add(row.Key))
                    throw new ModelFileException($"rows[{rows.Count}]", null, $"measures what a row before it does: {row.Policy} at {row.Retained} in {row.Format} over {Quoted(row.Set)}", path);
                rows.Add(row);
            }

            return new QualityTable(root.Text("model"), root.Text("measured"), rows);
        }
        catch (JsonException error)
        {
            throw new ModelFileException("the file", null, $"is no JSON: {Printable(error.Message)}", path, error);
        }
        catch (InvalidOperationException error)
        {
            throw new ModelFileException("the file", null, "holds half of a surrogate pair", path, error); // found only when a string is taken out
        }
    }

    /// <summary>Writes a table.</summary>
    public static void Write(string path, QualityTable table)
    {
        using FileStream file = File.Create(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteNumber("version", Version);
        json.WriteString("model", table.Model);
        json.WriteString("measured", table.Measured);
        json.WriteStartArray("rows");
        foreach (QualityRow row in table.Rows)
            Write(json, row);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static QualityRow Row(Fields row)
    {
        string policy = row.Word("policy", s_policies);
        double retained = row.Number("retained", double.Epsilon, 1, "above 0 and at most 1");
        if (policy == CompressionPolicies.Off && retained != 1)
            throw row.Wrong("retained", $"{retained}", "1 where the policy is \"off\"");
        return new QualityRow(
            row.Text("set"), (int)row.Whole("tokens", MostTokens), policy, retained, row.Word("format", s_formats), row.Has("low_format") ? row.Word("low_format", s_lowFormats) : null,
            row.Word("query", s_queries), row.Word("schedule", s_schedules), (int)row.Whole("asked", MostTokens), row.Number("of_full", 0, 1, "from 0 to 1"),
            row.Number("bytes_of_full", double.Epsilon, 100, "above 0 and at most 100"));
    }

    private static void Write(Utf8JsonWriter json, QualityRow row)
    {
        json.WriteStartObject();
        json.WriteString("set", row.Set);
        json.WriteNumber("tokens", row.Tokens);
        json.WriteString("policy", row.Policy);
        json.WriteNumber("retained", Math.Round(row.Retained, 6));
        json.WriteString("format", s_formats.First(f => f.Item2 == row.Format).Item1);
        if (row.LowFormat is { } low)
            json.WriteString("low_format", s_formats.First(f => f.Item2 == low).Item1);
        json.WriteString("query", s_queries.First(q => q.Item2 == row.Query).Item1);
        json.WriteString("schedule", s_schedules.First(s => s.Item2 == row.Schedule).Item1);
        json.WriteNumber("asked", row.Asked);
        json.WriteNumber("of_full", Math.Round(row.OfFull, 4));
        json.WriteNumber("bytes_of_full", Math.Round(row.BytesOfFull, 4));
        json.WriteEndObject();
    }

    private static ModelFileException Wrong(string path, string field, string value, string right) => new(field, null, $"is {value}; it must be {right}", path);

    /// <summary>Text of the file made fit for a message.</summary>
    private static string Printable(string text)
    {
        const int longest = 120;
        string cut = string.Concat(text.Take(longest).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? $"\\u{(int)c:x4}" : $"{c}"));
        return text.Length > longest ? cut + "…" : cut;
    }

    private static string Quoted(string text) => $"\"{Printable(text)}\"";

    /// <summary>The fields of one object, each named by its place in errors.</summary>
    private readonly struct Fields
    {
        private readonly JsonElement _element;
        private readonly string _place, _path;

        public Fields(JsonElement element, string place, string path, string[] known)
        {
            (_element, _place, _path) = (element, place, path);
            if (element.ValueKind != JsonValueKind.Object)
                throw QualityTableFile.Wrong(path, place.Length == 0 ? "the file" : place, $"of kind {element.ValueKind}", "an object");
            var seen = new HashSet<string>();
            foreach (JsonProperty property in element.EnumerateObject())
            {
                if (!known.Contains(property.Name))
                    throw new ModelFileException(Name(Printable(property.Name)), null, $"means nothing; known are: {string.Join(", ", known)}", path);
                if (!seen.Add(property.Name))
                    throw new ModelFileException(Name(property.Name), null, "stands there twice", path);
            }
        }

        public bool Has(string field) => _element.TryGetProperty(field, out _);

        public string Text(string field)
        {
            JsonElement value = Of(field);
            string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            return text is { Length: > 0 and <= LongestText } ? text : throw Wrong(field, Shown(value), $"a text of 1 to {LongestText} characters");
        }

        public T Word<T>(string field, (string Word, T Value)[] words)
        {
            JsonElement value = Of(field);
            string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            foreach ((string word, T meant) in words)
            {
                if (word == text)
                    return meant;
            }

            throw Wrong(field, Shown(value), $"one of: {string.Join(", ", words.Select(w => w.Word))}");
        }

        public double Number(string field, double least, double most, string right)
        {
            JsonElement value = Of(field);
            return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most ? number : throw Wrong(field, Shown(value), right);
        }

        public long Whole(string field, int most)
        {
            JsonElement value = Of(field);
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= 1 && number <= most
                ? number
                : throw Wrong(field, Shown(value), $"a whole number from 1 to {most}");
        }

        public JsonElement.ArrayEnumerator List(string field, int most)
        {
            JsonElement value = Of(field);
            if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > most)
                throw Wrong(field, value.ValueKind == JsonValueKind.Array ? $"a list of {value.GetArrayLength()}" : Shown(value), $"a list of at most {most}");
            return value.EnumerateArray();
        }

        public ModelFileException Wrong(string field, string value, string right) => QualityTableFile.Wrong(_path, Name(field), value, right);

        private JsonElement Of(string field) => _element.TryGetProperty(field, out JsonElement value) ? value : throw new ModelFileException(Name(field), null, "is missing", _path);

        private string Name(string field) => _place.Length == 0 ? field : $"{_place}.{field}";

        private static string Shown(JsonElement value) => Printable(value.GetRawText());
    }
}
