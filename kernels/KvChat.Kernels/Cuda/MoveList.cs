using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Moves that wait to be done together. Those in the list are independent: none reads or writes a slot that an earlier one has written, so that all of
/// them may be read before any is written, and the result is that of one after another.
/// </summary>
internal sealed class MoveList(int pages)
{
    private KvMove[] _moves = new KvMove[256];
    private ulong[] _written = [];
    private int _wordsOfPage, _most;

    /// <summary>Number of moves.</summary>
    public int Count { get; private set; }

    /// <summary>Format of all of them.</summary>
    public KvFormat Format { get; private set; }

    /// <summary>The moves, four numbers each.</summary>
    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes<KvMove>(_moves.AsSpan(0, Count));

    /// <summary>Starts a list of at most so many moves for pages of so many slots; the list must be empty.</summary>
    public void Start(KvFormat format, int slots, int most)
    {
        Format = format;
        _most = most;
        _wordsOfPage = (slots + 63) / 64;
        if (_written.Length < (long)pages * _wordsOfPage)
            _written = new ulong[(long)pages * _wordsOfPage];
    }

    /// <summary>Takes a move into the list, unless it depends on one that is there or the list is full.</summary>
    public bool TryAdd(in KvMove move)
    {
        if (Count == _most || (Word(move.SourcePage, move.SourceSlot) & Bit(move.SourceSlot)) != 0)
            return false;
        ref ulong target = ref Word(move.TargetPage, move.TargetSlot);
        if ((target & Bit(move.TargetSlot)) != 0)
            return false;
        target |= Bit(move.TargetSlot);
        if (Count == _moves.Length)
            Array.Resize(ref _moves, 2 * Count);
        _moves[Count++] = move;
        return true;
    }

    /// <summary>Empties the list.</summary>
    public void Clear()
    {
        for (int i = 0; i < Count; i++)
            Word(_moves[i].TargetPage, _moves[i].TargetSlot) = 0;
        Count = 0;
    }

    private static ulong Bit(int slot) => 1UL << (slot & 63);

    private ref ulong Word(int page, int slot) => ref _written[((long)page * _wordsOfPage) + (slot >> 6)];
}
