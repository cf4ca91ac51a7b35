using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>
/// Walks over a file's header. Nothing is read before it is known to lie within the file, and nothing is allocated before as many bytes are known to be there.
/// </summary>
internal unsafe ref struct GgufReader
{
    private readonly byte* _start;
    private readonly long _length;
    private readonly string _file;
    private string _scope;
    private long _scopeIndex;
    private long _element;

    public GgufReader(ModelBytes bytes)
    {
        _start = bytes.Start;
        _length = bytes.Length;
        _file = bytes.Name;
        _scope = "header";
        _scopeIndex = -1;
        _element = -1;
    }

    /// <summary>Byte that is read next.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes from <see cref="Position"/> to the end.</summary>
    public readonly ulong Remaining => (ulong)(_length - Position);

    /// <summary>Says what is being read, for messages: a section, or a key or tensor once its name is known.</summary>
    public void Enter(string scope, long index = -1)
    {
        _scope = scope;
        _scopeIndex = index;
        _element = -1;
    }

    /// <summary>Says which element of an array is being read, for messages.</summary>
    public void EnterElement(long index) => _element = index;

    public T Read<T>(string what) where T : unmanaged
    {
        Require((ulong)sizeof(T), what);
        T value = Unsafe.ReadUnaligned<T>(_start + Position);
        Position += sizeof(T);
        return value;
    }

    public T[] ReadArray<T>(int count) where T : unmanaged
    {
        Require((ulong)count * (ulong)sizeof(T), "");
        T[] values = GC.AllocateUninitializedArray<T>(count);
        fixed (T* to = values)
        {
            long bytes = (long)count * sizeof(T);
            Buffer.MemoryCopy(_start + Position, to, bytes, bytes);
            Position += bytes;
        }

        return values;
    }

    public bool ReadBoolean()
    {
        byte value = Read<byte>("");
        return value <= 1 ? value == 1 : throw Fail("", Position - 1, $"is {value}; a boolean is 0 or 1");
    }

    public string ReadString(string what, long longest)
    {
        long at = Position;
        ulong length = Read<ulong>(what);
        if (length > Remaining)
        {
            throw Fail(what, at, $"is a string of {length} bytes, but only {Remaining} bytes follow");
        }

        if (length > (ulong)longest)
        {
            throw Fail(what, at, $"is a string of {length} bytes; at most {longest} are allowed");
        }

        ReadOnlySpan<byte> bytes = new(_start + Position, (int)length);
        if (!Utf8.IsValid(bytes))
        {
            throw Fail(what, Position, $"is a string of {length} bytes that are not valid UTF-8");
        }

        Position += (long)length;
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Reads a count of things of at least <paramref name="leastBytes"/> each, and refuses one that the rest of the file cannot hold.</summary>
    public int ReadCount(string what, int leastBytes)
    {
        long at = Position;
        ulong count = Read<ulong>(what);
        ulong most = Math.Min(Remaining / (ulong)leastBytes, (ulong)Array.MaxLength);
        return count <= most
            ? (int)count
            : throw Fail(what, at, $"is {count}, but the {Remaining} bytes that follow hold at most {most}");
    }

    public readonly ModelFileException Fail(string what, long offset, string problem)
    {
        string field = ModelFileException.Printable(_scope);
        field += _scopeIndex >= 0 ? $"[{_scopeIndex}]" : "";
        field += _element >= 0 ? $"[{_element}]" : "";
        field += what.Length > 0 ? $".{what}" : "";
        return new ModelFileException(field, offset, problem, _file);
    }

    private readonly void Require(ulong bytes, string what)
    {
        if (bytes > Remaining)
        {
            throw Fail(what, Position, $"needs {bytes} bytes, but the file ends after {Remaining}: it is cut short or damaged");
        }
    }
}
