using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>Brings the rows of a file into panels, on all workers.</summary>
internal static unsafe class Repacking
{
    /// <summary>Fills the panels of a part, which are zero.</summary>
    /// <exception cref="ArgumentException">A scale is not finite; the message names part and row.</exception>
    public static void Run(WorkerTeam team, in MatrixData data, int index, in MatrixPart part, delegate*<byte*, byte*, int, int, void> packRow)
    {
        Job job = new()
        {
            Data = data,
            Index = index,
            Part = part,
            RowBytes = WeightFormats.RowBytes(data.Format, data.Columns),
            PackRow = packRow,
            Chunks = team.ChunkCounter,
        };
        team.RunChunks(&Work, &job);
    }

    private static void Work(void* state, int worker)
    {
        Job* job = (Job*)state;
        for (int panel = WorkerTeam.TakeChunk(job->Chunks); panel < job->Part.PanelCount; panel = WorkerTeam.TakeChunk(job->Chunks))
        {
            byte* target = job->Part.Panels + (panel * job->Part.PanelBytes);
            int rows = Math.Min(PanelShape.Rows, job->Part.Rows - (panel * PanelShape.Rows));
            for (int row = 0; row < rows; row++)
            {
                Pack(job, job->Data.SourceRow((panel * PanelShape.Rows) + row), target, row);
            }
        }
    }

    private static void Pack(Job* job, int sourceRow, byte* panel, int row)
    {
        try
        {
            job->PackRow(job->Data.Data + (sourceRow * job->RowBytes), panel, job->Data.Columns, row);
        }
        catch (ArgumentException inner)
        {
            throw new ArgumentException($"Part {job->Index} ({WeightFormats.Name(job->Data.Format)}), row {sourceRow}: {inner.Message}", inner);
        }
    }

    private struct Job
    {
        public MatrixData Data;
        public int Index;
        public MatrixPart Part;
        public long RowBytes;
        public delegate*<byte*, byte*, int, int, void> PackRow;
        public int* Chunks;
    }
}
