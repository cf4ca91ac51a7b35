namespace KvChat.Runtime.Models.Safetensors;

/// <summary>One tensor of a <see cref="SafetensorsPart"/>. Its bytes were checked to lie within the file when that was opened.</summary>
/// <param name="Part">The file.</param>
/// <param name="Name">The name in the file, such as <c>model.layers.0.self_attn.q_proj.weight</c>.</param>
/// <param name="Type">The file's word for the element type: <c>F32</c>, <c>BF16</c>, ...</param>
/// <param name="Shape">Slowest dimension first; empty for a single number.</param>
/// <param name="FileOffset">Byte of the file at which the elements start.</param>
internal sealed record SafetensorsTensor(SafetensorsPart Part, string Name, string Type, IReadOnlyList<long> Shape, long FileOffset)
{
    /// <summary>The first byte.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public unsafe byte* Data => Part.Bytes.Start + FileOffset;

    public ModelFileException Error(string problem) => new($"tensor {ModelFileException.Printable(Name)}", FileOffset, problem, Part.Bytes.Name);
}
