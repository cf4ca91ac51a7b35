namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Copies one KV to another slot of the same format, bit for bit.</summary>
internal static unsafe class PageMoves
{
    /// <summary>Moves everything that belongs to a KV.</summary>
    public static void Move(PageLayout* layout, byte* source, int sourceSlot, byte* target, int targetSlot, int pageTokens, bool logWeights)
    {
        int slots = layout->Slots, headDim = layout->HeadDim;
        byte* from = source + layout->Keys, to = target + layout->Keys;
        switch (layout->Format)
        {
            case KvFormat.F32:
                Column((uint*)from + sourceSlot, (uint*)to + targetSlot, slots, headDim);
                break;
            case KvFormat.F16:
            case KvFormat.BF16:
                Column((uint*)from + sourceSlot, (uint*)to + targetSlot, slots, headDim / 2);
                break;
            default:
                Column(from + sourceSlot, to + targetSlot, slots, layout->KeyBytes);
                Column(KvCodec.Scales(layout, source, 0) + sourceSlot, KvCodec.Scales(layout, target, 0) + targetSlot, slots, 4);
                break;
        }

        long row = layout->ValueBytes;
        Buffer.MemoryCopy(source + layout->Values + (sourceSlot * row), target + layout->Values + (targetSlot * row), row, row);
        int columns = layout->HasScales ? slots : pageTokens;
        Column((uint*)(source + layout->Positions) + sourceSlot, (uint*)(target + layout->Positions) + targetSlot, columns, logWeights ? 3 : 2);
    }

    private static void Column<T>(T* source, T* target, int stride, int count)
        where T : unmanaged
    {
        for (int i = 0; i < count; i++)
            target[(long)i * stride] = source[(long)i * stride];
    }
}
