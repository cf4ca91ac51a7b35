namespace KvChat.Tests.Models;

/// <summary>A clock whose timers run out when the test says so.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private long _advanced;

    public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _advanced);

    /// <summary>Lets time pass at once; timers do not hear of it.</summary>
    public void Advance(TimeSpan time) => Interlocked.Add(ref _advanced, (long)(time.TotalSeconds * TimestampFrequency));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        lock (_gate)
            _timers.Add(timer);
        return timer;
    }

    /// <summary>Lets every timer that was not given up run out.</summary>
    public void Fire()
    {
        Timer[] timers;
        lock (_gate)
            timers = [.. _timers];
        foreach (Timer timer in timers)
            timer.Fire();
    }

    private sealed class Timer(ManualClock clock, Action fire) : ITimer
    {
        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
            lock (clock._gate)
                clock._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
