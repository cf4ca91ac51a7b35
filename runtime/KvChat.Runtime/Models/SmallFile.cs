using System.Text.Json;

namespace KvChat.Runtime.Models;

/// <summary>Files beside the weights: read whole, up to a size that no honest one has, and parsed as JSON of limited depth.</summary>
internal static class SmallFile
{
    private const int MaxDepth = 64;

    /// <summary>A file's bytes.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="longest">Most bytes that it may have.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFileException">It is longer.</exception>
    public static byte[] Read(string path, int longest)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        if (stream.Length > longest)
            throw new ModelFileException("file", null, $"has {stream.Length} bytes; at most {longest} are read.", Path.GetFileName(path));
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
    }

    /// <summary>JSON, without a name given twice.</summary>
    /// <exception cref="ModelFileException">It is none.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, string file)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // The latter where a name is no Unicode text: names are compared with each other.
            throw new ModelFileException("file", null, $"is no JSON that can be read: {ModelFileException.Printable(error.Message)}", file, error);
        }
    }
}
