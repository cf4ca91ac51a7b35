using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// The engine's side of a <see cref="PreparedSequence"/>. Its cache and image belong to the engine's thread; who holds it is counted under a lock, because handles are disposed and
/// requests submitted on any thread.
/// </summary>
internal sealed class PreparedState(int[] tokens, SequenceCache cache, GenerationResult result, bool isCompressed) : IDisposable
{
    private readonly Lock _gate = new();
    private int _holders = 1;

    public int[] Tokens { get; } = tokens;

    public int Length => Tokens.Length;

    public SequenceCache Cache { get; } = cache;

    /// <summary>Its pages while they wait in host memory.</summary>
    public HostImage? Image { get; private set; }

    public GenerationResult Result { get; } = result;

    public bool IsCompressed { get; } = isCompressed;

    public bool UsesLongRotary { get; init; }

    /// <summary>When a request last started from it; the longest unused one is swapped first.</summary>
    public long Used { get; set; }

    /// <summary>Pages that it takes in the pool; constant, wherever they are.</summary>
    public int PageCount { get; } = cache.PageCount;

    /// <summary>Adds a holder; false where the last one has gone.</summary>
    public bool TryHold()
    {
        lock (_gate)
        {
            if (_holders == 0)
                return false;
            _holders++;
            return true;
        }
    }

    /// <summary>Takes a holder away; true for the last, who must have the engine give the pages back.</summary>
    public bool LetGo()
    {
        lock (_gate)
            return --_holders == 0;
    }

    public void SwapOut() => Image = Cache.ToHost();

    /// <summary>Brings the pages back; false where too few are free.</summary>
    public bool TrySwapIn()
    {
        if (Image is not { } image)
            return true;
        if (!Cache.TryFromHost(image))
            return false;
        image.Dispose();
        Image = null;
        return true;
    }

    public void Dispose()
    {
        Cache.Dispose();
        Image?.Dispose();
        Image = null;
    }
}
