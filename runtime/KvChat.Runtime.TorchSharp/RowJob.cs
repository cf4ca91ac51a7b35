using System.Runtime.CompilerServices;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;

namespace KvChat.Runtime.TorchSharp;

/// <summary>What stands before and behind a product, row by row with the CPU back end's own kernels, so that a row's bits do not depend on its place.</summary>
internal unsafe struct RowJob
{
    private const int Lanes = 16;

    public RowKernels Kernels;
    public LinearEpilogue Epilogue;
    public bool IsNorm;
    public float* Input;
    public int InputColumns;
    public float* Weights;
    public float Epsilon;
    public float Scale;
    public float SoftCap;
    public float* Output;
    public int OutputColumns;
    public int Rows;
    public int* Chunks;

    /// <summary>Work: takes row after row.</summary>
    public static void Work(void* state, int worker)
    {
        RowJob* job = (RowJob*)state;
        for (int row = WorkerTeam.TakeChunk(job->Chunks); row < job->Rows; row = WorkerTeam.TakeChunk(job->Chunks))
            job->Run(row);
    }

    /// <summary>One row.</summary>
    public readonly void Run(int row)
    {
        float* input = Input + ((long)row * InputColumns), output = Output + ((long)row * OutputColumns);
        if (IsNorm)
        {
            Kernels.Normalize(input, Weights, Epsilon, InputColumns, output);
            return;
        }

        bool isGated = Epilogue is LinearEpilogue.GatedSilu or LinearEpilogue.GatedGelu;
        for (int at = 0; at < OutputColumns; at += Lanes)
        {
            int count = Math.Min(Lanes, OutputColumns - at);
            if (isGated)
                Gate(input, output, at, count);
            else
                Store(input, output, at, count);
        }
    }

    [SkipLocalsInit]
    private readonly void Store(float* input, float* output, int at, int count)
    {
        float* edge = stackalloc float[3 * Lanes];
        float* target = Whole(output + at, count, edge);
        Kernels.Store(Whole(input + at, count, edge + Lanes), Whole(Weights == null ? null : Weights + at, count, edge + (2 * Lanes)), Scale, Epilogue == LinearEpilogue.Add, target);
        if (SoftCap > 0)
            Kernels.Cap(target, SoftCap);
        GiveBack(target, output + at, count);
    }

    [SkipLocalsInit]
    private readonly void Gate(float* input, float* output, int at, int count)
    {
        float* edge = stackalloc float[5 * Lanes];
        float* target = Whole(output + at, count, edge);
        float* up = input + OutputColumns + at;
        Kernels.Gate(
            Whole(input + at, count, edge + Lanes),
            Whole(Weights == null ? null : Weights + at, count, edge + (2 * Lanes)),
            Whole(up, count, edge + (3 * Lanes)),
            Whole(Weights == null ? null : Weights + OutputColumns + at, count, edge + (4 * Lanes)),
            Epilogue == LinearEpilogue.GatedGelu,
            target);
        GiveBack(target, output + at, count);
    }

    // The last numbers of a row may be fewer than a kernel takes: they pass through 16 of their own.
    private static float* Whole(float* numbers, int count, float* edge)
    {
        if (numbers == null || count == Lanes)
            return numbers;
        new Span<float>(edge, Lanes).Clear();
        new ReadOnlySpan<float>(numbers, count).CopyTo(new Span<float>(edge, Lanes));
        return edge;
    }

    private static void GiveBack(float* target, float* output, int count)
    {
        if (target != output)
            new ReadOnlySpan<float>(target, count).CopyTo(new Span<float>(output, count));
    }
}
