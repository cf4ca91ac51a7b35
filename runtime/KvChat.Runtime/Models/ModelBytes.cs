using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace KvChat.Runtime.Models;

/// <summary>The bytes of one file at an address that stays: a read-only mapping, or a pinned buffer.</summary>
internal sealed unsafe class ModelBytes : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private MemoryHandle _pin;
    private byte* _start;

    private ModelBytes(string name, MemoryMappedFile file, long length)
    {
        Name = name;
        Length = length;
        _file = file;
        _view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    private ModelBytes(string name, ReadOnlyMemory<byte> buffer)
    {
        Name = name;
        Length = buffer.Length;
        _pin = buffer.Pin();
        _start = (byte*)_pin.Pointer;
    }

    /// <summary>The file's name as messages give it.</summary>
    public string Name { get; }

    /// <summary>Bytes in all. A mapping may reach further, to the end of its last memory page; nothing reads there.</summary>
    public long Length { get; }

    /// <summary>The first byte.</summary>
    /// <exception cref="ObjectDisposedException">The bytes have been given back.</exception>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return _start;
        }
    }

    public bool IsDisposed { get; private set; }

    public static ModelBytes Pin(ReadOnlyMemory<byte> buffer, string name) => new(name, buffer);

    /// <summary>Maps a file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="needed">What the path should name, for errors: <c>one .gguf file</c>.</param>
    /// <param name="start">What such a file starts with, for errors.</param>
    public static ModelBytes Map(string path, string needed, string start)
    {
        string name = Path.GetFileName(path);
        if (Directory.Exists(path))
        {
            throw new ModelFileException("file", null, $"is a directory; the path of {needed} is needed", path);
        }

        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        long length = stream.Length;
        if (length == 0)
        {
            throw new ModelFileException("file", 0, $"is empty; {needed} starts with {start}", name);
        }

        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            return new ModelBytes(name, file, length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }

        IsDisposed = true;
        _start = null;
        _pin.Dispose();
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file!.Dispose();
        }
    }
}
