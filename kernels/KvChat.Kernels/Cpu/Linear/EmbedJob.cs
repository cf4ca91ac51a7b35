namespace KvChat.Kernels.Cpu;

/// <summary>Copies rows of an embedding table out of its panels.</summary>
internal unsafe struct EmbedJob
{
    public MatrixPart* Parts;
    public int Columns;
    public int* Tokens;
    public int TokenCount;
    public float* Output;
    public float Scale;
    public int* Chunks;

    /// <summary>Work: takes token after token.</summary>
    public static void Work(void* state, int worker)
    {
        EmbedJob* job = (EmbedJob*)state;
        for (int i = WorkerTeam.TakeChunk(job->Chunks); i < job->TokenCount; i = WorkerTeam.TakeChunk(job->Chunks))
        {
            job->Copy(job->Tokens[i], job->Output + ((long)i * job->Columns));
        }
    }

    private readonly void Copy(int token, float* output)
    {
        MatrixPart* part = Parts;
        while (token >= part->FirstRow + part->Rows)
        {
            part++;
        }

        int row = token - part->FirstRow;
        part->DecodeRow(part->Panels + (row / PanelShape.Rows * part->PanelBytes), Columns, row % PanelShape.Rows, output);
        if (Scale == 1)
            return;
        for (int k = 0; k < Columns; k++)
        {
            output[k] *= Scale;
        }
    }
}
