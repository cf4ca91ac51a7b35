using System.Buffers.Binary;
using System.Text;

namespace KvChat.TestSupport;

/// <summary>One number of a written file, for tests that damage it: a length, count, type, size, offset or value.</summary>
/// <param name="Name">Such as <c>header.tensor_count</c>, <c>general.name.length</c>, <c>blk.0.attn_q.weight.dimensions[1]</c>.</param>
/// <param name="Offset">Byte at which it stands.</param>
/// <param name="Width">Its bytes: 4 or 8.</param>
public sealed record GgufField(string Name, int Offset, int Width);

/// <summary>A written GGUF file and where its numbers stand.</summary>
public sealed class GgufImage
{
    private readonly List<byte> _bytes = [];
    private readonly List<GgufField> _fields = [];

    /// <summary>All numbers that say how the rest is to be read, in the file's order.</summary>
    public IReadOnlyList<GgufField> Fields => _fields;

    /// <summary>Bytes so far.</summary>
    public int Length => _bytes.Count;

    /// <summary>A copy of the file.</summary>
    public byte[] ToArray() => [.. _bytes];

    /// <summary>A copy of the file with one number changed.</summary>
    public byte[] With(string field, ulong value)
    {
        GgufField found = _fields.Find(candidate => candidate.Name == field)
            ?? throw new KeyNotFoundException($"No field '{field}'; there are {string.Join(", ", _fields.Select(each => each.Name))}.");
        byte[] bytes = ToArray();
        Patch(bytes, found, value);
        return bytes;
    }

    /// <summary>Writes a number over a field, cut to the field's width.</summary>
    public static void Patch(Span<byte> bytes, GgufField field, ulong value)
    {
        Span<byte> wide = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(wide, value);
        wide[..field.Width].CopyTo(bytes[field.Offset..]);
    }

    internal void Field32(string name, uint value)
    {
        _fields.Add(new GgufField(name, Length, 4));
        _bytes.AddRange(BitConverter.GetBytes(value));
    }

    internal void Field64(string name, ulong value)
    {
        _fields.Add(new GgufField(name, Length, 8));
        _bytes.AddRange(BitConverter.GetBytes(value));
    }

    internal void Text(string name, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        Field64($"{name}.length", (ulong)bytes.Length);
        _bytes.AddRange(bytes);
    }

    internal void Bytes(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    internal void PadTo(uint alignment)
    {
        while (_bytes.Count % alignment != 0)
        {
            _bytes.Add(0);
        }
    }
}
