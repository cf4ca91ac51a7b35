using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace KvChat.Models.Hub;

/// <summary>A file on its way: what has come lies on the disk and is hashed as it comes. Disk failures are thrown as what the caller of the download shall see.</summary>
internal sealed class PartialFile : IDisposable
{
    private const int BufferBytes = 1 << 20;

    private readonly HubFile _file;
    private readonly Uri _url;
    private readonly FileStream _stream;
    private IncrementalHash _hash;

    private PartialFile(HubFile file, Uri url, FileStream stream)
    {
        _file = file;
        _url = url;
        _stream = stream;
        _hash = NewHash(file);
    }

    /// <summary>Bytes that have come.</summary>
    public long Length { get; private set; }

    /// <summary>Whether some of it was taken over from an earlier connection.</summary>
    public bool IsResumed { get; private set; }

    /// <summary>Opens what has come earlier, or begins anew.</summary>
    public static async Task<PartialFile> OpenAsync(string path, HubFile file, Uri url, CancellationToken cancellationToken)
    {
        PartialFile? part = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            part = new PartialFile(file, url, new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0, useAsync: true));
            await part.HashWhatIsThereAsync(cancellationToken).ConfigureAwait(false);
            return part;
        }
        catch (Exception error)
        {
            part?.Dispose();
            if (DiskSpace.IsFailure(error))
                throw DiskSpace.Failure(url, path, error);
            throw;
        }
    }

    /// <summary>Says that what comes next is from another connection than what is there.</summary>
    public void Resume() => IsResumed |= Length > 0;

    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await _stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(_url, _stream.Name, error);
        }

        _hash.AppendData(bytes.Span);
        Length += bytes.Length;
    }

    /// <summary>Forgets what has come.</summary>
    public void Restart()
    {
        try
        {
            _stream.SetLength(0);
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(_url, _stream.Name, error);
        }

        _hash.Dispose();
        _hash = NewHash(_file);
        (Length, IsResumed) = (0, false);
    }

    /// <summary>The hash of what has come, which begins anew.</summary>
    public string Hash() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    /// <summary>Gives the file its name, once it is safely on the disk.</summary>
    public void MoveTo(string path)
    {
        try
        {
            _stream.Flush(flushToDisk: true);
            string own = _stream.Name;
            _stream.Dispose();
            File.Move(own, path, overwrite: true);
        }
        catch (Exception error) when (DiskSpace.IsFailure(error))
        {
            throw DiskSpace.Failure(_url, path, error);
        }
    }

    public void Dispose()
    {
        _stream.Dispose();
        _hash.Dispose();
    }

    private async Task HashWhatIsThereAsync(CancellationToken cancellationToken)
    {
        if (_stream.Length > _file.Size)
            _stream.SetLength(0);
        byte[] buffer = new byte[BufferBytes];
        int count;
        while ((count = await _stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            _hash.AppendData(buffer, 0, count);
            Length += count;
        }

        Resume();
    }

    [SuppressMessage("Security", "CA5350", Justification = "Git names small files by SHA-1; it finds damage, and what it covers comes from the same server.")]
    private static IncrementalHash NewHash(HubFile file)
    {
        if (file.Hash.Length == 64)
            return IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(Encoding.ASCII.GetBytes(FormattableString.Invariant($"blob {file.Size}\0")));
        return hash;
    }
}
