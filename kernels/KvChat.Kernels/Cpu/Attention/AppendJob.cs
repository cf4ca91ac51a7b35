using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Everything that workers need to append a step's rows; lives on the caller's stack while they run.</summary>
internal unsafe struct AppendJob
{
    /// <summary>Rows that a worker takes at a time.</summary>
    public const int ChunkRows = 16;

    public PageView Pages;
    public SequenceSlice* Sequences;
    public int SequenceCount;
    public HeadView* Heads;
    public int* Positions;
    public float* Rows;
    public int RowStride;
    public int QueryHeads;
    public int KvHeads;
    public float* QueryNorm;
    public float* KeyNorm;

    /// <summary>Heads that a norm of queries, or of keys, goes over at once: 1, or all of them.</summary>
    public int QueryNormHeads;
    public int KeyNormHeads;
    public float NormEpsilon;

    /// <summary>Pairs that are rotated, 0 for none.</summary>
    public int Pairs;

    /// <summary>Cosines and sines of each batch row, or null.</summary>
    public float** Angles;

    /// <summary>A key and its halves, per worker.</summary>
    public byte* Scratch;
    public int ScratchStride;

    /// <summary>Appends the rows first..end-1 of a sequence.</summary>
    public delegate*<AppendJob*, int, int, int, float*, void> Work;

    /// <summary>Next chunk that nobody has taken; on a cache line of its own.</summary>
    public fixed byte Padding[64];
    public int Next;

    /// <summary>Runs on every worker.</summary>
    public static void Run(void* state, int worker)
    {
        AppendJob* job = (AppendJob*)state;
        int sequence = 0, passed = 0;
        while (true)
        {
            int chunk = Interlocked.Increment(ref job->Next) - 1;
            int chunks;
            while (sequence < job->SequenceCount && chunk >= passed + (chunks = Chunks(job->Sequences[sequence].RowCount)))
            {
                passed += chunks;
                sequence++;
            }

            if (sequence == job->SequenceCount)
                return;
            int first = (chunk - passed) * ChunkRows;
            int end = Math.Min(first + ChunkRows, job->Sequences[sequence].RowCount);
            job->Work(job, sequence, first, end, (float*)(job->Scratch + ((long)worker * job->ScratchStride)));
        }
    }

    private static int Chunks(int rows) => (rows + ChunkRows - 1) / ChunkRows;
}

/// <summary>Normalises, rotates and stores rows.</summary>
internal static unsafe class AppendKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int LaneCount = 16;

    /// <summary>Appends the rows first..end-1 of a sequence.</summary>
    public static void Append(AppendJob* job, int sequence, int first, int end, float* scratch)
    {
        SequenceSlice* slice = job->Sequences + sequence;
        int headDim = job->Pages.HeadDim;
        for (int index = first; index < end; index++)
        {
            int row = slice->FirstRow + index;
            float* data = job->Rows + ((long)row * job->RowStride);
            float* angles = job->Angles == null ? null : job->Angles[row];
            float* lanes = scratch + (2 * headDim);
            float shared = Shared(data, headDim, job->QueryNorm, job->QueryNormHeads, job->NormEpsilon, lanes);
            for (int head = 0; head < job->QueryHeads; head++, data += headDim)
                Transform(data, headDim, Weights(job->QueryNorm, job->QueryNormHeads, head, headDim), shared, job->NormEpsilon, angles, job->Pairs, lanes);
            float* values = data + ((long)job->KvHeads * headDim);
            shared = Shared(data, headDim, job->KeyNorm, job->KeyNormHeads, job->NormEpsilon, lanes);
            for (int head = 0; head < job->KvHeads; head++, data += headDim, values += headDim)
            {
                Unsafe.CopyBlock(scratch, data, (uint)(headDim * sizeof(float)));
                Transform(scratch, headDim, Weights(job->KeyNorm, job->KeyNormHeads, head, headDim), shared, job->NormEpsilon, angles, job->Pairs, lanes);
                Store(job, slice->Format, job->Heads + (((long)sequence * job->KvHeads) + head), index, job->Positions[row], scratch, values);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transform(float* x, int headDim, float* norm, float shared, float epsilon, float* angles, int pairs, float* lanes)
    {
        if (norm != null)
        {
            float reciprocal = shared > 0 ? shared : Reciprocal(x, headDim, epsilon, lanes);
            for (int k = 0; k < headDim; k++)
                x[k] = x[k] * reciprocal * norm[k];
        }

        if (angles == null)
            return;
        float* y = x + pairs, sines = angles + pairs;
        int i = 0;
        for (; i + TSimd.Count <= pairs; i += TSimd.Count)
        {
            TVector a = TSimd.Load(x + i), b = TSimd.Load(y + i), cosine = TSimd.Load(angles + i), sine = TSimd.Load(sines + i);
            TSimd.Store(x + i, TSimd.Subtract(TSimd.Multiply(a, cosine), TSimd.Multiply(b, sine)));
            TSimd.Store(y + i, TSimd.Add(TSimd.Multiply(b, cosine), TSimd.Multiply(a, sine)));
        }

        for (; i < pairs; i++)
        {
            float a = x[i], b = y[i];
            x[i] = (a * angles[i]) - (b * sines[i]);
            y[i] = (b * angles[i]) + (a * sines[i]);
        }
    }

    // Squares are summed in 16 lanes whatever the width.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Reciprocal(float* x, int count, float epsilon, float* lanes)
    {
        new Span<float>(lanes, LaneCount).Clear();
        for (int i = 0; i < count; i++)
            lanes[i % LaneCount] = MathF.FusedMultiplyAdd(x[i], x[i], lanes[i % LaneCount]);
        return 1f / MathF.Sqrt((ScalarMath.SumLanes(lanes) / count) + epsilon);
    }

    /// <summary>The reciprocal root mean square of all heads where one norm goes over them, else 0: each head has its own then.</summary>
    private static float Shared(float* x, int headDim, float* norm, int heads, float epsilon, float* lanes) =>
        norm == null || heads == 1 ? 0 : Reciprocal(x, headDim * heads, epsilon, lanes);

    private static float* Weights(float* norm, int heads, int head, int headDim) => norm == null || heads == 1 ? norm : norm + ((long)head * headDim);

    private static void Store(AppendJob* job, KvFormat format, HeadView* head, int index, int position, float* key, float* value)
    {
        PageView view = job->Pages;
        PageLayout* layout = view.Layout(format);
        int kv = head->Length + index, slot = kv % layout->Slots, headDim = view.HeadDim;
        byte* page = view.Page(head->Pages[kv / layout->Slots]);
        if (format == KvFormat.F16)
        {
            // Two neighbouring halves are the pair that the page's layout wants together.
            uint* pairs = (uint*)(key + headDim), keys = (uint*)page + slot;
            Narrow(key, (ushort*)pairs, headDim);
            for (int i = 0; i < headDim / 2; i++)
                keys[i * layout->Slots] = pairs[i];
            Narrow(value, (ushort*)(page + layout->Values) + (slot * headDim), headDim);
        }
        else
        {
            // Codecs may turn what they are given: the key is a copy already, and a value that others read is copied.
            if (layout->RotatesValues)
            {
                Unsafe.CopyBlock(key + (2 * headDim), value, (uint)(headDim * sizeof(float)));
                value = key + (2 * headDim);
            }

            AppendStore.Store(layout, page, slot, view.PageTokens, key, value, (int*)(key + headDim));
        }

        AppendStore.Note(layout, page, slot, position, 0, 0, view.HasLogWeights);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(float* source, ushort* target, int count)
    {
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
            TSimd.StoreHalves(target + i, TSimd.Narrow(TSimd.Load(source + i)));
        for (; i < count; i++)
            target[i] = HalfBits.Narrow(source[i]);
    }
}
