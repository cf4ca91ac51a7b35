namespace KvChat.Models;

/// <summary>How far a download is.</summary>
/// <param name="File">The file at hand, as the repository names it.</param>
/// <param name="Bytes">Bytes that are there, of all files together; less than before where a damaged part is read again.</param>
/// <param name="TotalBytes">Bytes of all files together.</param>
public readonly record struct ModelDownloadProgress(string File, long Bytes, long TotalBytes);
