namespace KvChat.Kernels.Cpu;

/// <summary>One <see cref="NormOperation"/> as workers see it.</summary>
internal unsafe struct NormJob
{
    /// <summary>Rows that a worker takes at a time.</summary>
    public const int ChunkRows = 8;

    public RowKernels Kernels;
    public float* Input;
    public float* Output;
    public float* Norm;
    public float NormEpsilon;
    public float Scale;
    public int Rows;
    public int Columns;
    public int* Chunks;

    /// <summary>Work: takes chunk after chunk.</summary>
    public static void Work(void* state, int worker)
    {
        NormJob* job = (NormJob*)state;
        int chunks = (job->Rows + ChunkRows - 1) / ChunkRows;
        for (int chunk = WorkerTeam.TakeChunk(job->Chunks); chunk < chunks; chunk = WorkerTeam.TakeChunk(job->Chunks))
            RunRows(job, chunk * ChunkRows, Math.Min(job->Rows, (chunk + 1) * ChunkRows));
    }

    /// <summary>Normalises rows in place and adds them.</summary>
    public static void RunRows(NormJob* job, int first, int end)
    {
        for (int row = first; row < end; row++)
        {
            float* input = job->Input + ((long)row * job->Columns);
            job->Kernels.Normalize(input, job->Norm, job->NormEpsilon, job->Columns, input);
            ExpertRunner.AddRow(input, job->Scale, job->Output + ((long)row * job->Columns), job->Columns, job->Kernels);
        }
    }
}
