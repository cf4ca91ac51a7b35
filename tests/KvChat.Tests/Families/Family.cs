using KvChat.Kernels.Quantization;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Tests.Families;

/// <summary>What a family's files say of chat: tokeniser, special tokens, template. Weights are random; a script speaks for them.</summary>
/// <param name="Name">Of the family.</param>
/// <param name="Pre">Its pre-tokeniser; null for SentencePiece.</param>
/// <param name="Bos">Beginning of sequence.</param>
/// <param name="Eos">What the file names as the end of sequence, which need not be what ends a turn.</param>
/// <param name="Controls">Its other control tokens.</param>
internal sealed record Family(string Name, string? Pre, string Bos, string Eos, string[] Controls)
{
    private const int Width = 32;

    /// <summary>Tokens of their own that are no control tokens, such as marks around calls.</summary>
    public string[] Marks { get; init; } = [];

    /// <summary>Path of the template in the shared files; null where <see cref="Template"/> has it.</summary>
    public string? TemplateFile { get; init; }

    /// <summary>A template of the family's form, written for this test.</summary>
    public string? Template { get; init; }

    /// <summary>The file.</summary>
    public void Save(string path)
    {
        (string[] tokens, int[] kinds) = Vocabulary();
        var writer = new GgufWriter()
            .Add("general.architecture", "llama").Add("general.name", Name)
            .Add("llama.embedding_length", Width).Add("llama.block_count", 1).Add("llama.feed_forward_length", Width).Add("llama.context_length", 16384)
            .Add("llama.attention.head_count", 2).Add("llama.attention.head_count_kv", 1).Add("llama.attention.layer_norm_rms_epsilon", 1e-5f)
            .Add("tokenizer.ggml.model", Pre is null ? "llama" : "gpt2").Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.token_type", kinds)
            .Add("tokenizer.ggml.bos_token_id", (uint)Array.IndexOf(tokens, Bos)).Add("tokenizer.ggml.eos_token_id", (uint)Array.IndexOf(tokens, Eos))
            .Add("tokenizer.ggml.add_bos_token", Pre is null or "llama-bpe")
            .Add("tokenizer.chat_template", Template ?? File.ReadAllText(SharedFiles.PathOf(TemplateFile!)));
        if (Pre is null)
            writer.Add("tokenizer.ggml.scores", new float[tokens.Length]).Add("tokenizer.ggml.add_space_prefix", false);
        else
            writer.Add("tokenizer.ggml.pre", Pre).Add("tokenizer.ggml.merges", Array.Empty<string>());
        AddWeights(writer, tokens.Length);
        writer.Save(path);
    }

    /// <summary>Every byte, and the special tokens: enough for any text, and nothing to learn.</summary>
    private (string[] Tokens, int[] Kinds) Vocabulary()
    {
        List<(string Text, TokenKind Kind)> tokens = [];
        if (Pre is null)
            tokens.AddRange([("<unk>", TokenKind.Unknown), ("\u2581", TokenKind.Normal)]);
        foreach (string control in (string[])[Bos, Eos, .. Controls])
        {
            if (!tokens.Exists(t => t.Text == control))
                tokens.Add((control, TokenKind.Control));
        }

        tokens.AddRange(Marks.Select(m => (m, TokenKind.UserDefined)));
        for (int b = 0; b < 256; b++)
            tokens.Add(Pre is null ? ($"<0x{b:X2}>", TokenKind.Byte) : (ByteName(b).ToString(), TokenKind.Normal));
        return ([.. tokens.Select(t => t.Text)], [.. tokens.Select(t => (int)t.Kind)]);
    }

    /// <summary>Byte-level BPE writes bytes that show nothing as characters from U+0100 on, in the order of the bytes.</summary>
    private static char ByteName(int value)
    {
        static bool Shows(int b) => b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 and <= 255;
        return Shows(value) ? (char)value : (char)(256 + Enumerable.Range(0, value).Count(b => !Shows(b)));
    }

    private static void AddWeights(GgufWriter writer, int vocabulary)
    {
        var random = new Random(7);
        void Matrix(string name, int rows, int columns) =>
            writer.AddTensor(name, WeightFormat.F32, [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle() - 0.5f)], columns, rows);
        void Norm(string name) => writer.AddTensor(name, WeightFormat.F32, [.. Enumerable.Repeat(1f, Width)], Width);
        Matrix("token_embd.weight", vocabulary, Width);
        Norm("output_norm.weight");
        Norm("blk.0.attn_norm.weight");
        Norm("blk.0.ffn_norm.weight");
        Matrix("blk.0.attn_q.weight", Width, Width);
        Matrix("blk.0.attn_k.weight", Width / 2, Width);
        Matrix("blk.0.attn_v.weight", Width / 2, Width);
        Matrix("blk.0.attn_output.weight", Width, Width);
        Matrix("blk.0.ffn_gate.weight", Width, Width);
        Matrix("blk.0.ffn_up.weight", Width, Width);
        Matrix("blk.0.ffn_down.weight", Width, Width);
    }
}
