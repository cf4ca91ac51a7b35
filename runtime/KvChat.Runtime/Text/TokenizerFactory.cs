namespace KvChat.Runtime.Text;

/// <summary>Makes tokenisers from what files say.</summary>
public static class TokenizerFactory
{
    /// <summary>Checks the data and makes the tokeniser that they describe.</summary>
    /// <exception cref="TokenizerException">The kind or the pre-tokeniser is not known, or the data contradict themselves.</exception>
    public static Tokenizer Create(TokenizerData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return data.Model switch
        {
            "gpt2" => new ByteLevelBpeTokenizer(data),
            "llama" => new SentencePieceBpeTokenizer(data),
            _ => throw new TokenizerException("tokenizer.ggml.model", $"the tokeniser '{data.Model}' is not known; known are gpt2 (byte-level BPE) and llama (SentencePiece BPE)."),
        };
    }
}
