using System.Globalization;
using System.Net.Http.Headers;

namespace KvChat.Models.Hub;

/// <summary>Tries again what failed for a reason that passes.</summary>
internal static class HubRetry
{
    /// <summary>Attempts for what is needed: waits of 1, 2, 4 and 8 seconds between them.</summary>
    public const int Attempts = 5;

    /// <summary>A connection that brought this much before it broke was worth its attempt: it is not counted.</summary>
    private const long Worthwhile = 1 << 20;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    /// <summary>Runs attempts until one succeeds, or fails for good.</summary>
    /// <param name="attempts">Most attempts in a row that bring nothing.</param>
    /// <param name="attempt">One attempt.</param>
    /// <param name="done">Bytes that have come so far.</param>
    /// <param name="delay">Waits.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async Task<T> RunAsync<T>(
        int attempts, Func<Task<T>> attempt, Func<long> done, Func<TimeSpan, CancellationToken, Task> delay, CancellationToken cancellationToken)
    {
        for (int failures = 0; ;)
        {
            long before = done();
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientDownloadException failure)
            {
                failures = done() - before >= Worthwhile ? 1 : failures + 1;
                TimeSpan wait = failure.RetryAfter ?? TimeSpan.FromSeconds(1 << Math.Min(failures - 1, 5));
                if (failures >= attempts)
                    throw failure.Error;
                if (wait > LongestWait)
                    throw new ModelDownloadException(failure.Error.Url, failure.Error.Status, $"may be asked again only in {wait.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} seconds", failure.Error.Hint, failure.Error) { IsOutage = true };
                await delay(wait, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>How long an answer asks to wait; null where it does not say.</summary>
    public static TimeSpan? Wait(RetryConditionHeaderValue? header, TimeProvider clock)
    {
        TimeSpan? wait = header?.Delta ?? header?.Date - clock.GetUtcNow();
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }
}
