using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Copies KVs to other slots of the same format, bit for bit: neighbours that stay neighbours go together.</summary>
internal static unsafe class PageMoves
{
    /// <summary>Most KVs that go together: what their 4 bytes of a coordinate fill is the widest copy.</summary>
    private const int LongestRun = 16;

    /// <summary>How many moves at the start are of neighbours in one page to neighbours in one page. Within a page they may only move down, so that none is overwritten before it is read.</summary>
    public static int Run(ReadOnlySpan<KvMove> moves)
    {
        KvMove first = moves[0];
        int most = Math.Min(moves.Length, LongestRun), count = 1;
        if (first.SourcePage == first.TargetPage && first.SourceSlot < first.TargetSlot)
            return 1;
        while (count < most && moves[count].SourcePage == first.SourcePage && moves[count].TargetPage == first.TargetPage
            && moves[count].SourceSlot == first.SourceSlot + count && moves[count].TargetSlot == first.TargetSlot + count)
            count++;
        return count;
    }

    /// <summary>Moves everything that belongs to so many KVs.</summary>
    public static void Move(PageLayout* layout, byte* source, int sourceSlot, byte* target, int targetSlot, int count, int pageTokens, bool logWeights)
    {
        int slots = layout->Slots, columns = layout->HasScales ? slots : pageTokens;
        byte* from = source + layout->Keys, to = target + layout->Keys;
        if (layout->HasScales)
        {
            Columns(from + sourceSlot, to + targetSlot, slots, layout->KeyBytes, count);
            Columns((byte*)(KvCodec.Scales(layout, source, 0) + sourceSlot), (byte*)(KvCodec.Scales(layout, target, 0) + targetSlot), slots * sizeof(ushort), 4, count * sizeof(ushort));
        }
        else
        {
            // Whole numbers of F32, pairs of the others: 4 bytes a column.
            Columns(from + (sourceSlot * sizeof(uint)), to + (targetSlot * sizeof(uint)), slots * sizeof(uint), layout->KeyBytes / sizeof(uint), count * sizeof(uint));
        }

        long row = layout->ValueBytes;
        Buffer.MemoryCopy(source + layout->Values + (sourceSlot * row), target + layout->Values + (targetSlot * row), count * row, count * row);
        Columns(
            source + layout->Positions + (sourceSlot * sizeof(uint)), target + layout->Positions + (targetSlot * sizeof(uint)), columns * sizeof(uint), logWeights ? 3 : 2, count * sizeof(uint));
    }

    // The same piece of each column. A piece is read whole before it is written, because both may lie in the same page.
    private static void Columns(byte* source, byte* target, int stride, int columns, int bytes)
    {
        byte* end = source + ((long)stride * columns);
        if (bytes >= Vector256<byte>.Count)
            Overlapping<Vector256<byte>>(source, target, stride, end, bytes);
        else if (bytes >= Vector128<byte>.Count)
            Overlapping<Vector128<byte>>(source, target, stride, end, bytes);
        else if (bytes >= sizeof(ulong))
            Overlapping<ulong>(source, target, stride, end, bytes);
        else if (bytes >= sizeof(uint))
            Overlapping<uint>(source, target, stride, end, bytes);
        else if (bytes >= sizeof(ushort))
            Overlapping<ushort>(source, target, stride, end, bytes);
        else
            Overlapping<byte>(source, target, stride, end, bytes);
    }

    // Its first and its last bytes, which may overlap; together they are all.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Overlapping<T>(byte* source, byte* target, int stride, byte* end, int bytes)
        where T : unmanaged
    {
        int last = bytes - sizeof(T);
        for (; source < end; source += stride, target += stride)
        {
            T head = Unsafe.ReadUnaligned<T>(source), tail = Unsafe.ReadUnaligned<T>(source + last);
            Unsafe.WriteUnaligned(target, head);
            Unsafe.WriteUnaligned(target + last, tail);
        }
    }
}
