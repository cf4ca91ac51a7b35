using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Writes one KV into a page, in every format.</summary>
internal static unsafe class AppendStore
{
    /// <summary>Stores a key and a value, which may be used up; <paramref name="codes"/> has room for headDim numbers.</summary>
    public static void Store(PageLayout* layout, byte* page, int slot, int pageTokens, float* key, float* value, int* codes)
    {
        int headDim = layout->HeadDim;
        switch (layout->Format)
        {
            case KvFormat.F32:
                for (int i = 0; i < headDim; i++)
                    ((float*)page)[(i * layout->Slots) + slot] = key[i];
                Unsafe.CopyBlock(page + layout->Values + ((long)slot * layout->ValueBytes), value, (uint)layout->ValueBytes);
                break;
            case KvFormat.F16:
            case KvFormat.BF16:
                bool half = layout->Format == KvFormat.F16;
                ushort* values = (ushort*)(page + layout->Values) + (slot * headDim);
                for (int i = 0; i < headDim; i++)
                {
                    ((ushort*)page)[(2 * (((i >> 1) * pageTokens) + slot)) + (i & 1)] = half ? HalfBits.Narrow(key[i]) : KvCodec.ToBrain(key[i]);
                    values[i] = half ? HalfBits.Narrow(value[i]) : KvCodec.ToBrain(value[i]);
                }

                break;
            default:
                KvCodec.StoreKey(layout, page, slot, key, codes);
                KvCodec.StoreValue(layout, page, slot, value, codes);
                break;
        }
    }

    /// <summary>Writes what belongs to a KV beside its numbers.</summary>
    public static void Note(PageLayout* layout, byte* page, int slot, int position, float score, float logWeight, bool logWeights)
    {
        ((int*)(page + layout->Positions))[slot] = position;
        ((float*)(page + layout->Scores))[slot] = score;
        if (logWeights)
            ((float*)(page + layout->LogWeights))[slot] = logWeight;
    }
}
