namespace KvChat.Models.Hub;

/// <summary>What a disk can go wrong with, told so that a user can mend it.</summary>
internal static class DiskSpace
{
    /// <summary>What helps when a disk is full.</summary>
    public const string Hint = "Free some room, or set HF_HUB_CACHE to a folder on another disk.";

    // ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL; and by errno: ENOSPC, EDQUOT (Linux, macOS).
    private static readonly int[] FullCodes = [unchecked((int)0x80070070), unchecked((int)0x80070027), 28, 122, 69];

    /// <summary>Bytes that the user may still write where a folder is; null where that is not known.</summary>
    public static long? FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(folder)! : folder).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // a network share, for one
        }
    }

    /// <summary>An error about writing a file that was downloaded.</summary>
    public static ModelDownloadException Failure(Uri url, string path, Exception error) => error is IOException && FullCodes.Contains(error.HResult)
        ? new ModelDownloadException(url, null, $"cannot be written to \"{path}\": the disk is full", Hint, error)
        : new ModelDownloadException(url, null, $"cannot be written to \"{path}\": {error.Message}", "HF_HUB_CACHE names another folder.", error);

    /// <summary>Whether an exception tells of a disk, where only the disk was used.</summary>
    public static bool IsFailure(Exception error) => error is IOException or UnauthorizedAccessException;
}
