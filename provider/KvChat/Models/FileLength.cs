namespace KvChat.Models;

/// <summary>Lengths of files.</summary>
internal static class FileLength
{
    /// <summary>Bytes of a file, of what it points to where it is a link; null where there is none that can be read.</summary>
    public static long? Of(string path)
    {
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.GetLength(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
