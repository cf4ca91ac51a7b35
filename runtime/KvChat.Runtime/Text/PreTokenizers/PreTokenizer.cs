using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text.PreTokenizers;

/// <summary>Cuts a text into the pieces within which byte-level BPE merges: each stage cuts the pieces of the stage before.</summary>
internal sealed class PreTokenizer
{
    private readonly PieceScanner[] stages;

    public PreTokenizer(params PieceScanner[] stages) => this.stages = stages;

    /// <summary>Appends the end of each piece; the first begins at 0 and each at the end of the one before.</summary>
    public void Cut(ReadOnlySpan<char> text, List<int> ends) => Cut(text, 0, 0, ends);

    private void Cut(ReadOnlySpan<char> text, int offset, int stage, List<int> ends)
    {
        for (int start = 0; start < text.Length;)
        {
            int length = stages[stage](text[start..]);
            if (stage == stages.Length - 1)
                ends.Add(offset + start + length);
            else
                Cut(text.Slice(start, length), offset + start, stage + 1, ends);
            start += length;
        }
    }
}

/// <summary>A pre-tokeniser with what goes with its name: whether whole pieces are looked up before merging, and whether BOS is the rule.</summary>
internal readonly record struct PreTokenizerEntry(PreTokenizer PreTokenizer, bool IgnoreMerges, bool AddBos);

/// <summary>Pre-tokenisers by the names that files give in <c>tokenizer.ggml.pre</c>. Names that llama.cpp reads as the same pattern are together.</summary>
internal static class PreTokenizerTable
{
    private static readonly PreTokenizer Gpt2 = new(PieceScanners.Gpt2);
    private static readonly PreTokenizer DigitsThenGpt2 = new(PieceScanners.SingleNumbers, PieceScanners.Gpt2);
    private static readonly PreTokenizer Llama3 = new(t => PieceScanners.Llama3(t, mostDigits: 3));
    private static readonly PreTokenizer Qwen2 = new(t => PieceScanners.Llama3(t, mostDigits: 1));
    private static readonly PreTokenizer Tekken = new(t => PieceScanners.Cased(t, mostDigits: 1, contractionAfter: false));
    private static readonly PreTokenizer Gpt4o = new(t => PieceScanners.Cased(t, mostDigits: 3, contractionAfter: true));

    private static readonly PreTokenizer Default =
        new(PieceScanners.PunctuationRuns, PieceScanners.Gpt2, PieceScanners.NumberRuns, PieceScanners.ThreeDigits);

    private static readonly Dictionary<string, PreTokenizerEntry> Entries = Make();

    /// <summary>All names, sorted.</summary>
    public static IEnumerable<string> Names => Entries.Keys.Order(StringComparer.Ordinal);

    /// <exception cref="ModelFileException">The name is not known.</exception>
    public static PreTokenizerEntry Find(string? name) => Entries.TryGetValue(name ?? "default", out PreTokenizerEntry entry)
        ? entry
        : throw new ModelFileException("tokenizer.ggml.pre", null, $"is '{ModelFileException.Printable(name ?? "")}', which is not known; known are {string.Join(", ", Names)}");

    private static Dictionary<string, PreTokenizerEntry> Make()
    {
        var entries = new Dictionary<string, PreTokenizerEntry>(StringComparer.Ordinal);
        Add(entries, new(Default, false, false), "default");
        Add(entries, new(Gpt2, false, false), "gpt-2", "phi-2", "mpt", "olmo", "jais", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "granite-docling");
        Add(entries, new(DigitsThenGpt2, false, false), "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b");
        Add(entries, new(Llama3, true, true), "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "midm-2.0", "lfm2");
        Add(entries, new(Llama3, false, false), "smaug-bpe", "dbrx", "glm4", "chatglm-bpe");
        Add(entries, new(Qwen2, false, false), "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "grok-2");
        Add(entries, new(Tekken, true, true), "tekken");
        Add(entries, new(Gpt4o, false, false), "gpt-4o", "llama4");
        return entries;
    }

    private static void Add(Dictionary<string, PreTokenizerEntry> entries, PreTokenizerEntry entry, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            entries.Add(name, entry);
    }
}
