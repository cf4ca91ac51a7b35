using KvChat.Kernels.Quantization;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>What one file holds: a whole model, or a part of one.</summary>
/// <param name="Bytes">The file.</param>
/// <param name="Version">2 or 3.</param>
/// <param name="Metadata">Its key-value pairs.</param>
/// <param name="Tensors">Tensors of known formats, in the file's order, and their data checked to lie within the file.</param>
/// <param name="Unsupported">Tensors of types that KvChat does not read.</param>
internal sealed record GgufPart(
    ModelBytes Bytes,
    uint Version,
    GgufMetadata Metadata,
    IReadOnlyList<GgufTensor> Tensors,
    IReadOnlyList<GgufUnsupportedTensor> Unsupported);

/// <summary>A tensor that is there but cannot be read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its ggml type number.</param>
/// <param name="Offset">Byte of the file at which the type stands.</param>
internal sealed record GgufUnsupportedTensor(string Name, uint Type, long Offset)
{
    public ModelFileException Error(string file)
    {
        _ = WeightFormats.TryGetGgmlName(Type, out string? type);
        string readable = string.Join(", ", WeightFormats.All.ToArray().Select(WeightFormats.Name));
        return new ModelFileException(
            ModelFileException.Printable(Name), Offset, $"is stored as {type ?? "an unknown type"} (ggml type {Type}), which is not supported; supported are {readable}", file);
    }
}
