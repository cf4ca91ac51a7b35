using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Widens the pages of a segment to fp32 in a worker's memory, where all queries of a block read them. Halves keep their factor 2^-112.</summary>
internal static unsafe class SegmentLoader<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Loads whole pages that hold the KVs from..to-1, counted in the segment; <paramref name="values"/> may be null.</summary>
    public static void Load(AttentionJob* job, in SegmentPlace place, int from, int to, WorkerScratch* scratch, float* values)
    {
        PageView view = job->Pages;
        PageLayout* layout = place.Layout;
        int slots = layout->Slots, begin = from / slots * slots, end = begin;
        for (int index = from / slots; end < to; index++, end += slots)
        {
            byte* page = view.Page(place.Page(index));
            if (layout->HasScales)
            {
                CodeLoader<TSimd, TVector>.LoadKeys(layout, page, scratch->Keys + end);
                SegmentScales.Load<TSimd, TVector>(layout, page, end, scratch->Scales);
                if (values != null)
                    CodeLoader<TSimd, TVector>.LoadValues(layout, page, values + ((long)end * layout->HeadDim));
            }
            else
            {
                LoadNumbers(layout, page, end, scratch->Keys, values);
            }

            if (view.HasLogWeights)
                Unsafe.CopyBlock(scratch->LogWeights + end, page + layout->LogWeights, (uint)(slots * sizeof(float)));
        }

        if (layout->HasScales)
            SegmentScales.Clear(begin, end, scratch->Scales);
    }

    private static void LoadNumbers(PageLayout* layout, byte* page, int first, float* keys, float* values)
    {
        int slots = layout->Slots, headDim = layout->HeadDim;
        float* panel = keys + ((long)(first / AttentionSizes.Panel) * headDim * AttentionSizes.Panel) + (first % AttentionSizes.Panel);
        byte* source = page + layout->Values;
        values = values == null ? null : values + ((long)first * headDim);
        switch (layout->Format)
        {
            case KvFormat.F32:
                CopyKeys((float*)page, slots, headDim, panel);
                if (values != null)
                    Unsafe.CopyBlock(values, source, (uint)(slots * layout->ValueBytes));
                break;
            case KvFormat.F16:
                WidenKeys((uint*)page, slots, headDim / 2, panel);
                if (values != null)
                    WidenValues((ushort*)source, slots * headDim, values);
                break;
            default:
                WidenBrainKeys((uint*)page, slots, headDim / 2, panel);
                if (values != null)
                    WidenBrainValues((ushort*)source, slots * headDim, values);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenBrainKeys(uint* keys, int slots, int pairs, float* panel)
    {
        for (int slot = 0; slot < slots; slot += TSimd.Count)
        {
            uint* source = keys + slot;
            float* target = panel + slot;
            for (int i = 0; i < pairs; i++, source += slots, target += 2 * AttentionSizes.Panel)
            {
                TSimd.Store(target, TSimd.BrainLower(source));
                TSimd.Store(target + AttentionSizes.Panel, TSimd.BrainUpper(source));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenBrainValues(ushort* values, int count, float* target)
    {
        for (int i = 0; i < count; i += TSimd.Count)
            TSimd.Store(target + i, TSimd.Brain(values + i));
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
