using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>The kernels of one vector width.</summary>
internal sealed unsafe class AttentionKernels
{
    /// <summary>Attention of an item.</summary>
    public required delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> Attend { get; init; }

    /// <summary>Whether an item is done straight from its pages, and can keep its probabilities.</summary>
    public required delegate*<AttentionJob*, AttentionItem*, bool> IsDirect { get; init; }

    /// <summary>Whether blocks of rows can keep their probabilities and add them to scores.</summary>
    public bool KeepsBlocks { get; private init; }

    /// <summary>Puts the partial records of a block together.</summary>
    public required delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> MergePartials { get; init; }

    /// <summary>Scores of an item.</summary>
    public required delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> Observe { get; init; }

    /// <summary>Pools the sums of a window into scores.</summary>
    public required delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> Pool { get; init; }

    /// <summary>Appends rows.</summary>
    public required delegate*<AppendJob*, int, int, int, float*, void> Append { get; init; }

    /// <summary>Kernels of a width in bits; 0 for the scalar reference.</summary>
    public static AttentionKernels Of(int width) => width switch
    {
        512 => Vector<Simd512, Vector512<float>>(),
        256 => Vector<Simd256, Vector256<float>>(),
        128 => Vector<Simd128, Vector128<float>>(),
        _ => new()
        {
            Attend = &ScalarAttention.Attend,
            IsDirect = &Never,
            MergePartials = &ScalarAttention.MergePartials,
            Observe = &ScalarAttention.Observe,
            Pool = &ScorePool<SimdScalar, float>.Pool,
            Append = &AppendKernel<SimdScalar, float>.Append,
        },
    };

    private static bool Never(AttentionJob* job, AttentionItem* item) => false;

    private static AttentionKernels Vector<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => new()
        {
            Attend = &VectorAttention<TSimd, TVector>.Attend,
            IsDirect = &DirectAttention<TSimd, TVector>.Takes,
            KeepsBlocks = true,
            MergePartials = &VectorAttention<TSimd, TVector>.MergePartials,
            Observe = &VectorAttention<TSimd, TVector>.Observe,
            Pool = &ScorePool<TSimd, TVector>.Pool,
            Append = &AppendKernel<TSimd, TVector>.Append,
        };
}
