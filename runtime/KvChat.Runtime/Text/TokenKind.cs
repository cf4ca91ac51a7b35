namespace KvChat.Runtime.Text;

/// <summary>What a vocabulary entry is for; the numbers are those of <c>tokenizer.ggml.token_type</c> in GGUF files.</summary>
public enum TokenKind
{
    /// <summary>Ordinary text.</summary>
    Normal = 1,

    /// <summary>Stands for what the vocabulary cannot express.</summary>
    Unknown = 2,

    /// <summary>Structure that only a template or the model writes, such as <c>&lt;|im_end|&gt;</c>.</summary>
    Control = 3,

    /// <summary>Added by the model's makers and matched before ordinary tokenisation, but shown as text.</summary>
    UserDefined = 4,

    /// <summary>A place that is kept free.</summary>
    Unused = 5,

    /// <summary>One byte, written <c>&lt;0xXX&gt;</c>.</summary>
    Byte = 6,
}
