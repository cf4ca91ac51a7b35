namespace KvChat.Models.Hub;

/// <summary>Ends a connection on which nothing has moved for too long, and one that the caller has given up.</summary>
internal sealed class StallGuard : IDisposable
{
    /// <summary>How long a server may be silent.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _caller;

    public StallGuard(TimeProvider clock, CancellationToken caller)
    {
        _source = new CancellationTokenSource(Limit, clock);
        _caller = caller.UnsafeRegister(static s => ((CancellationTokenSource)s!).Cancel(), _source);
    }

    public CancellationToken Token => _source.Token;

    /// <summary>Says that something has come.</summary>
    public void Moved() => _source.CancelAfter(Limit);

    public void Dispose()
    {
        _caller.Dispose();
        _source.Dispose();
    }
}
