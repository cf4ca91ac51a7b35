using System.Globalization;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.Runtime.Text.PreTokenizers;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

public sealed class TokenizerGoldenTests
{
    [SharedFact("golden/tiny/tokenizer.jsonl")]
    public void Embedded_model_agrees_with_the_reference_in_every_row() =>
        AssertRows(VocabularyFile.Embedded, "golden/tiny/tokenizer.jsonl");

    [SharedFact("golden/smollm2/tokenizer.jsonl", "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]
    public void SmolLM2_agrees_with_the_reference_in_every_row() =>
        AssertRows(TokenizerOf("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), "golden/smollm2/tokenizer.jsonl");

    [SharedTheory("golden/vocab")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void Published_vocabularies_agree_with_the_reference_in_every_text(string name) =>
        AssertVocabulary(TokenizerOf($"golden/vocab/ggml-vocab-{name}.gguf"), name);

    /// <summary>Compares with the answers to a published vocabulary's texts.</summary>
    internal static void AssertVocabulary(Tokenizer tokenizer, string name)
    {
        string file = SharedFiles.PathOf($"golden/vocab/ggml-vocab-{name}.gguf");
        string[] texts = File.ReadAllText(file + ".inp").Split("\n__ggml_vocab_test__\n");
        string[] answers = File.ReadAllText(file + ".out").TrimEnd('\n').Split('\n');
        // The file of texts ends with a separator and a line end of its own.
        Assert.InRange(texts.Length, answers.Length, answers.Length + 1);
        for (int i = 0; i < answers.Length; i++)
        {
            int[] ids = [.. answers[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
            Assert.Equal(ids, tokenizer.Encode(texts[i], allowSpecial: true).Ids);
        }
    }

    [SharedFact("golden/pretokenise.jsonl")]
    public void Pre_tokenisers_cut_as_the_reference_does_in_every_row()
    {
        int rows = 0;
        foreach (string line in File.ReadLines(SharedFiles.PathOf("golden/pretokenise.jsonl")))
        {
            JsonElement row = JsonElement.Parse(line);
            string text = row.GetProperty("text").GetString()!;
            string pre = row.GetProperty("pre").GetString()!;
            string[] pieces = [.. row.GetProperty("pieces").EnumerateArray().Select(p => p.GetString()!)];
            Assert.True(pieces.SequenceEqual(Cut(pre, text)), $"{pre}: {line}\nis cut as {JsonSerializer.Serialize(Cut(pre, text))}");
            rows++;
        }

        Assert.True(rows > 0);
    }

    internal static string[] Cut(string pre, string text)
    {
        var ends = new List<int>();
        PreTokenizerTable.Find(pre).PreTokenizer.Cut(text, ends);
        return [.. ends.Select((end, i) => text[(i == 0 ? 0 : ends[i - 1])..end])];
    }

    private static Tokenizer TokenizerOf(string file) => VocabularyFile.Open(SharedFiles.PathOf(file));

    internal static void AssertRows(Tokenizer tokenizer, string file)
    {
        int rows = 0;
        foreach (string line in File.ReadLines(SharedFiles.PathOf(file)))
        {
            JsonElement row = JsonElement.Parse(line);
            int[] ids = [.. row.GetProperty("ids").EnumerateArray().Select(n => n.GetInt32())];
            EncodedText encoded = tokenizer.Encode(row.GetProperty("text").GetString()!, allowSpecial: true);
            Assert.Equal(ids, encoded.Ids);
            Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode(ids, skipSpecial: false));
            rows++;
        }

        Assert.True(rows > 0);
    }
}
