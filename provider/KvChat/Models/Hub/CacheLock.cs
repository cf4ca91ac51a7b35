namespace KvChat.Models.Hub;

/// <summary>A file that only one process, and in it one task, holds open at a time.</summary>
internal static class CacheLock
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION; and by errno: EAGAIN (Linux, macOS).
    private static readonly int[] HeldCodes = [unchecked((int)0x80070020), unchecked((int)0x80070021), 11, 35];

    /// <summary>Waits until nobody else holds the lock. Disposing gives it back; the file stays.</summary>
    public static async Task<IDisposable> TakeAsync(string path, Func<TimeSpan, CancellationToken, Task> delay, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException error) when (HeldCodes.Contains(error.HResult))
            {
                await delay(Pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
