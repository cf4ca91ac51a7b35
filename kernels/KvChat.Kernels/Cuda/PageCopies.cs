using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>Copies of pages that wait to be done together. Those in the list are independent: no page is the target of two, or source of one and target of another.</summary>
internal sealed class PageCopies(int pages)
{
    private const byte Source = 1, Target = 2;

    private int[] _sources = new int[64], _targets = new int[64];
    private byte[] _uses = [];

    /// <summary>Number of copies.</summary>
    public int Count { get; private set; }

    /// <summary>Page ids that are read.</summary>
    public ReadOnlySpan<byte> Sources => MemoryMarshal.AsBytes<int>(_sources.AsSpan(0, Count));

    /// <summary>Page ids that are written.</summary>
    public ReadOnlySpan<byte> Targets => MemoryMarshal.AsBytes<int>(_targets.AsSpan(0, Count));

    /// <summary>Takes a copy into the list, unless it depends on one that is there.</summary>
    public bool TryAdd(int source, int target)
    {
        if (_uses.Length == 0)
            _uses = new byte[pages];
        if ((_uses[source] & Target) != 0 || _uses[target] != 0)
            return false;
        _uses[source] |= Source;
        _uses[target] |= Target;
        if (Count == _sources.Length)
        {
            Array.Resize(ref _sources, 2 * Count);
            Array.Resize(ref _targets, 2 * Count);
        }

        _sources[Count] = source;
        _targets[Count++] = target;
        return true;
    }

    /// <summary>Empties the list.</summary>
    public void Clear()
    {
        for (int i = 0; i < Count; i++)
            _uses[_sources[i]] = _uses[_targets[i]] = 0;
        Count = 0;
    }
}
