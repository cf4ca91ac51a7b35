using KvChat.Runtime.Scheduling;

namespace KvChat.Health;

/// <summary>Since when the pool has been full, as far as it was looked at: checks come seldom, and the engine's count of periods says what was between them.</summary>
internal sealed class PoolWatch(TimeProvider clock)
{
    private readonly Lock _gate = new();
    private long _period = -1;
    private long _since;

    /// <summary>How long the pool has been full without a break since a check first saw it; null where it is not.</summary>
    public TimeSpan? FullFor(EngineStatistics statistics)
    {
        lock (_gate)
        {
            if (!statistics.IsPoolFull)
            {
                _period = -1;
                return null;
            }

            if (_period != statistics.PoolFullPeriods)
            {
                _period = statistics.PoolFullPeriods;
                _since = clock.GetTimestamp();
            }

            return clock.GetElapsedTime(_since);
        }
    }
}
