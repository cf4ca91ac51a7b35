using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvChat.Evaluation.Grid;

/// <summary>One question, asked in one cell: a line of the file that a run can go on from.</summary>
/// <param name="Set">Name of the task set.</param>
/// <param name="Document">Id of the document.</param>
/// <param name="Question">Number of the question within the document.</param>
/// <param name="Cell">Key of the cell.</param>
/// <param name="Score">From 0 to 1.</param>
/// <param name="Bytes">Bytes of the sequence's pages when the answer began.</param>
/// <param name="PeakBytes">Most bytes of pages at any time.</param>
/// <param name="Seconds">From asking to the end of the answer, other questions running beside it.</param>
/// <param name="Answer">What was said.</param>
/// <param name="Kept">Share of KVs kept at the end.</param>
/// <param name="PreparationSeconds">Reading the document, or making the cell's copy of it, once for all its questions.</param>
/// <param name="CompressionSeconds">Choosing and moving KVs, the document's own part of it included.</param>
public sealed record GridAnswer(
    string Set, string Document, int Question, string Cell, double Score, long Bytes, long PeakBytes, double Seconds, string Answer, double Kept = 1, double CompressionSeconds = 0,
    double PreparationSeconds = 0)
{
    [JsonIgnore]
    public (string, string, int, string) Key => (Set, Document, Question, Cell);
}

/// <summary>How like the full cache a cell continues a passage of running text.</summary>
/// <param name="Set">Name of the text.</param>
/// <param name="Cell">Key of the cell.</param>
/// <param name="Divergence">Mean KL divergence of the next-token distribution from the full cache's, in nats.</param>
/// <param name="SameTop">Share of positions whose most likely token is the full cache's.</param>
/// <param name="Tokens">Positions compared.</param>
/// <param name="Bytes">Bytes of pages when the continuation began.</param>
/// <param name="Passage">Number of the passage; they are spread over the text.</param>
public sealed record TextLikeness(string Set, string Cell, double Divergence, double SameTop, int Tokens, long Bytes, int Passage = 0)
{
    [JsonIgnore]
    public (string, string, int) Key => (Set, Cell, Passage);

    /// <summary>All passages as one; null where there is none.</summary>
    public static TextLikeness? Mean(IEnumerable<TextLikeness> passages)
    {
        TextLikeness[] all = [.. passages];
        int tokens = all.Sum(l => l.Tokens);
        return tokens == 0 ? null : all[0] with
        {
            Divergence = all.Sum(l => l.Divergence * l.Tokens) / tokens,
            SameTop = all.Sum(l => l.SameTop * l.Tokens) / tokens,
            Tokens = tokens,
            Bytes = (long)all.Average(l => (double)l.Bytes),
        };
    }
}

/// <summary>Lines of JSON that are added to a file as they are made and read back when a run goes on.</summary>
internal sealed class GridFile<T>(string path, Func<T, object> key) : IDisposable
    where T : class
{
    private readonly Lock _gate = new();
    private readonly Dictionary<object, T> _rows = Load(path, key);
    private readonly StreamWriter _writer = new(path, append: true) { AutoFlush = true };

    public IReadOnlyCollection<T> Rows => _rows.Values;

    public bool Has(object rowKey) => _rows.ContainsKey(rowKey);

    /// <summary>The row of a key, or null.</summary>
    public T? Find(object rowKey) => _rows.GetValueOrDefault(rowKey);

    public void Add(T row)
    {
        lock (_gate)
        {
            _rows[key(row)] = row;
            _writer.WriteLine(JsonSerializer.Serialize(row));
        }
    }

    public void Dispose() => _writer.Dispose();

    private static Dictionary<object, T> Load(string path, Func<T, object> key)
    {
        var rows = new Dictionary<object, T>();
        if (!File.Exists(path))
            return rows;
        string[] lines = File.ReadAllLines(path);
        for (int i = 0; i < lines.Length; i++)
        {
            try
            {
                if (JsonSerializer.Deserialize<T>(lines[i]) is { } row)
                    rows[key(row)] = row;
            }
            catch (JsonException) when (i == lines.Length - 1)
            {
                // A run that was ended in the middle of a line: that row is measured again.
                File.WriteAllLines(path, lines[..i]);
            }
            catch (JsonException error)
            {
                throw new FormatException($"{path}, line {i + 1} is no row of a grid: {error.Message}", error);
            }
        }

        return rows;
    }
}
