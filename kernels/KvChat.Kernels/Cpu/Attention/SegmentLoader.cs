using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Widens the pages of a segment to fp32 in a worker's memory, where all queries of a block read them. Halves keep their factor 2^-112.</summary>
internal static unsafe class SegmentLoader<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Loads whole pages that hold the KVs from..to-1, counted in the segment; <paramref name="values"/> may be null.</summary>
    public static void Load(AttentionJob* job, AttentionItem* item, int segment, int from, int to, WorkerScratch* scratch, float* values)
    {
        PageView view = job->Pages;
        KvFormat format = job->Sequences[item->Sequence].Format;
        int slots = view.Slots(format), headDim = job->HeadDim;
        int* pages = job->HeadOf(item)->Pages + (segment * AttentionSizes.Segment / slots);
        for (int index = from / slots; index * slots < to; index++)
        {
            int page = pages[index], first = index * slots;
            float* panel = scratch->Keys + ((long)(first / AttentionSizes.Panel) * headDim * AttentionSizes.Panel) + (first % AttentionSizes.Panel);
            if (format == KvFormat.F32)
                CopyKeys((float*)view.Keys(page), slots, headDim, panel);
            else
                WidenKeys((uint*)view.Keys(page), slots, headDim / 2, panel);
            if (values != null && format == KvFormat.F32)
                Unsafe.CopyBlock(values + ((long)first * headDim), view.Values(page), (uint)view.HalfPageBytes);
            else if (values != null)
                WidenValues((ushort*)view.Values(page), slots * headDim, values + ((long)first * headDim));
            if (view.HasLogWeights)
                Unsafe.CopyBlock(scratch->LogWeights + first, view.LogWeights(page), (uint)(slots * sizeof(float)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenKeys(uint* keys, int slots, int pairs, float* panel)
    {
        for (int slot = 0; slot < slots; slot += TSimd.Count)
        {
            uint* source = keys + slot;
            float* target = panel + slot;
            for (int i = 0; i < pairs; i++, source += slots, target += 2 * AttentionSizes.Panel)
            {
                TSimd.Store(target, TSimd.WidenLower(source));
                TSimd.Store(target + AttentionSizes.Panel, TSimd.WidenUpper(source));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyKeys(float* keys, int slots, int headDim, float* panel)
    {
        for (int i = 0; i < headDim; i++, keys += slots, panel += AttentionSizes.Panel)
        {
            for (int slot = 0; slot < slots; slot += Vector256<float>.Count)
                Vector256.Load(keys + slot).Store(panel + slot);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenValues(ushort* values, int count, float* target)
    {
        for (int i = 0; i < count; i += TSimd.Count)
            TSimd.Store(target + i, TSimd.Widen(values + i));
    }
}
