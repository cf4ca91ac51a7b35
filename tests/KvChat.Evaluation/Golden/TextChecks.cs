using System.Globalization;
using System.Text.Json;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.Runtime.Text.PreTokenizers;

namespace KvChat.Evaluation.Golden;

/// <summary>Pre-tokenisers, and vocabularies without a model.</summary>
internal static class TextChecks
{
    private const string Separator = "\n__ggml_vocab_test__\n";

    public static void PreTokenisers(DirectoryInfo golden, CheckReport report)
    {
        string path = Path.Combine(golden.FullName, "pretokenise.jsonl");
        if (!File.Exists(path))
        {
            report.Skip("pretokenise", "no pretokenise.jsonl");
            return;
        }

        foreach (IGrouping<string, JsonElement> rows in Jsonl.Read(path).GroupBy(r => r.Text("pre")))
        {
            PreTokenizer cutter = PreTokenizerTable.Find(rows.Key).PreTokenizer;
            Compare(report, $"pretokenise/{rows.Key}", rows, "texts", row => Pieces(cutter, row.Text("text")).SequenceEqual(row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!)));
        }
    }

    /// <summary>Each file of <c>vocab</c> with the texts of its <c>.inp</c> and the tokens of its <c>.out</c>.</summary>
    public static void Vocabularies(DirectoryInfo golden, CheckReport report)
    {
        string folder = Path.Combine(golden.FullName, "vocab");
        if (!Directory.Exists(folder))
        {
            report.Skip("vocab", "no folder vocab");
            return;
        }

        foreach (string path in Directory.GetFiles(folder, "*.gguf").Order(StringComparer.Ordinal))
        {
            string name = $"vocab/{Path.GetFileNameWithoutExtension(path)}";
            if (!File.Exists(path + ".inp") || !File.Exists(path + ".out"))
            {
                report.Skip(name, "no .inp and .out beside it");
                continue;
            }

            using GgufFile file = GgufFile.Open(path);
            Tokenizer tokenizer = TokenizerFactory.FromGguf(file.Metadata);
            string[] texts = File.ReadAllText(path + ".inp").Split(Separator);
            int[][] expected = [.. File.ReadAllLines(path + ".out").Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static id => int.Parse(id, CultureInfo.InvariantCulture)).ToArray())];
            if (texts.Length == expected.Length + 1 && texts[^1].Length == 0)
                texts = texts[..^1]; // the file ends with a separator
            int rows = Math.Min(texts.Length, expected.Length), equal = 0;
            string? first = null;
            for (int i = 0; i < rows; i++)
            {
                if (tokenizer.Encode(texts[i], allowSpecial: false).Ids.SequenceEqual(expected[i]))
                    equal++;
                else
                    first ??= Jsonl.Shown(texts[i]);
            }

            report.Equal(name, equal, Math.Max(texts.Length, expected.Length), "texts", first);
        }
    }

    /// <summary>Counts the rows for which something holds, and names the text of the first for which it does not.</summary>
    public static void Compare(CheckReport report, string check, IEnumerable<JsonElement> rows, string what, Func<JsonElement, bool> holds)
    {
        int equal = 0, of = 0;
        string? first = null;
        foreach (JsonElement row in rows)
        {
            of++;
            bool same;
            try
            {
                same = holds(row);
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                first ??= error.Message;
                continue;
            }

            equal += same ? 1 : 0;
            if (!same)
                first ??= Jsonl.Shown(row.TryGetProperty("template", out JsonElement template) ? template.GetString()! + " " + row.GetProperty("messages") : row.Text("text"));
        }

        report.Equal(check, equal, of, what, first);
    }

    private static List<string> Pieces(PreTokenizer cutter, string text)
    {
        var ends = new List<int>();
        cutter.Cut(text, ends);
        var pieces = new List<string>();
        int start = 0;
        foreach (int end in ends)
        {
            pieces.Add(text[start..end]);
            start = end;
        }

        return pieces;
    }
}
