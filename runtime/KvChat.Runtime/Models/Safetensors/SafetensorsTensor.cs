namespace KvChat.Runtime.Models.Safetensors;

/// <summary>One tensor of a <see cref="SafetensorsPart"/>. Its bytes were checked to lie within the file when that was opened.</summary>
/// <param name="part">The file.</param>
/// <param name="name">The name in the file, such as <c>model.layers.0.self_attn.q_proj.weight</c>.</param>
/// <param name="type">The file's word for the element type: <c>F32</c>, <c>BF16</c>, ...</param>
/// <param name="shape">Slowest dimension first; empty for a single number.</param>
/// <param name="fileOffset">Byte of the file at which the elements start.</param>
internal sealed class SafetensorsTensor(SafetensorsPart part, string name, string type, IReadOnlyList<long> shape, long fileOffset)
{
    /// <summary>The file's word for the element type.</summary>
    public string Type => type;

    /// <summary>Slowest dimension first; empty for a single number.</summary>
    public IReadOnlyList<long> Shape => shape;

    /// <summary>Byte of the file at which the elements start.</summary>
    public long FileOffset => fileOffset;

    /// <summary>The first byte.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public unsafe byte* Data => part.Bytes.Start + fileOffset;

    public ModelFileException Error(string problem) => new($"tensor {ModelFileException.Printable(name)}", fileOffset, problem, part.Bytes.Name);
}
