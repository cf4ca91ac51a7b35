using System.Threading.Tasks.Sources;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// Tokens from the engine's thread to one reader. Adding a token allocates nothing while the capacity that was foreseen suffices, so that a
/// decode step does not either.
/// </summary>
internal sealed class TokenQueue(int capacity) : IValueTaskSource<bool>
{
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<bool> _signal = new() { RunContinuationsAsynchronously = true };
    private int[] _items = new int[Math.Clamp(capacity, 1, 4096)];
    private int _count;
    private bool _ended, _waiting;

    public int this[int index]
    {
        get
        {
            lock (_gate)
                return _items[index];
        }
    }

    public void Add(int token)
    {
        lock (_gate)
        {
            if (_count == _items.Length)
                Array.Resize(ref _items, 2 * _count);
            _items[_count++] = token;
            if (!_waiting)
                return;
            _waiting = false;
        }

        _signal.SetResult(true);
    }

    public void End()
    {
        lock (_gate)
        {
            _ended = true;
            if (!_waiting)
                return;
            _waiting = false;
        }

        _signal.SetResult(false);
    }

    /// <summary>True when the token with this index is there, false when there will be none.</summary>
    public ValueTask<bool> WaitAsync(int index)
    {
        lock (_gate)
        {
            if (index < _count)
                return new(true);
            if (_ended)
                return new(false);
            if (_waiting)
                throw new InvalidOperationException("An answer can be read by one reader only.");
            _signal.Reset();
            _waiting = true;
            return new(this, _signal.Version);
        }
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _signal.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _signal.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _signal.OnCompleted(continuation, state, token, flags);
}
