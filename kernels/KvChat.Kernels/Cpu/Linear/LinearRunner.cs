namespace KvChat.Kernels.Cpu;

/// <summary>Checks linear operations, lays out their scratch memory, which only ever grows, and runs them on the team.</summary>
internal sealed unsafe class LinearRunner(WorkerTeam team, int simdWidth) : IDisposable
{
    private readonly RowKernels _kernels = RowKernels.Of(simdWidth);

    // AVX-512 has the 32 registers that 8 columns need beside 8 vectors of weights.
    private readonly int _widestTile = simdWidth == 512 ? 8 : 4;
    private NativeBuffer? _packed;
    private NativeBuffer? _scratch;

    /// <summary>Runs an operation.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in LinearOperation operation)
    {
        CpuMatrix weight = CpuMatrix.From(operation.Weight, nameof(operation.Weight));
        CpuTensor input = CpuTensor.From(operation.Input, nameof(operation.Input));
        CpuTensor output = CpuTensor.From(operation.Output, nameof(operation.Output));
        Check(operation);
        if (operation.Rows == 0)
            return;
        LinearJob job = new()
        {
            Kernels = _kernels,
            Input = input.Data,
            Rows = operation.Rows,
            Columns = weight.Columns,
            Norm = CpuVector.DataOf(operation.Norm, weight.Columns, nameof(operation.Norm)),
            NormEpsilon = operation.NormEpsilon,
            Parts = weight.Parts,
            PartCount = weight.PartCount,
            Bias = CpuVector.DataOf(operation.Bias, weight.Rows, nameof(operation.Bias)),
            Output = output.Data,
            OutputColumns = output.Columns,
            Epilogue = operation.Epilogue,
            Scale = operation.Scale == 0 ? 1 : operation.Scale,
            SoftCap = operation.SoftCap,
            WidestTile = _widestTile,
            Chunks = team.ChunkCounter,
        };
        PlanChunks(ref job);
        PlanMemory(ref job);
        if (job.Packed != null)
            team.RunChunks(&LinearJob.PackRows, &job);
        team.RunChunks(&LinearJob.Multiply, &job);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _packed?.Dispose();
        _scratch?.Dispose();
    }

    private void PlanChunks(ref LinearJob job)
    {
        int parts = job.IsGated ? 1 : job.PartCount;
        for (int i = 0; i < parts; i++)
        {
            job.PanelCount += job.Parts[i].PanelCount;
        }

        // Some chunks per worker even out who is late; a chunk stays a stream long enough to be fetched ahead.
        int rowBlocks = (job.Rows + LinearJob.RowBlock - 1) / LinearJob.RowBlock;
        int wanted = team.Count == 1 ? 1 : Math.Max(1, 8 * team.Count / rowBlocks);
        job.PanelsPerChunk = Math.Max(1, job.PanelCount / wanted);
    }

    private void PlanMemory(ref LinearJob job)
    {
        long bytes = 0;
        int rows = (job.Rows + 7) / 8 * 8;
        for (int i = 0; i < job.PartCount; i++)
        {
            job.FormMask |= 1 << (int)job.Parts[i].Form;
        }

        for (int form = 0; form < LinearJob.Forms; form++)
        {
            if ((job.FormMask & (1 << form)) == 0)
                continue;
            job.FormOffset[form] = bytes;
            bytes += (long)rows * ActivationShape.RowBytes((ActivationForm)form, job.Columns);
            bytes = (bytes + NativeBuffer.Alignment - 1) / NativeBuffer.Alignment * NativeBuffer.Alignment;
        }

        bool byAll = job.Rows <= LinearJob.PackedByAll;
        job.ScratchBytes = LinearJob.RowScratchBytes(job.Columns) + (byAll ? bytes : 0);

        // Workers' scratch lies apart by more than a pair of cache lines.
        job.ScratchBytes += 2 * NativeBuffer.Alignment;
        job.Scratch = Grow(ref _scratch, job.ScratchBytes * team.Count);
        job.Packed = byAll ? null : Grow(ref _packed, bytes);
    }

    private static byte* Grow(ref NativeBuffer? buffer, long bytes)
    {
        if (buffer is null || buffer.Bytes < bytes)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = new NativeBuffer(bytes);
        }

        return buffer.Data;
    }

    /// <summary>Checks that shapes fit; back ends that put their own products in the place of these share it.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    internal static void Check(in LinearOperation operation)
    {
        DeviceMatrix weight = operation.Weight;
        if (operation.Rows < 0 || operation.Rows > operation.Input.Rows || operation.Rows > operation.Output.Rows)
            throw new ArgumentException($"Rows is {operation.Rows}; the input has {operation.Input.Rows} and the output {operation.Output.Rows}.", nameof(operation));
        if (operation.Input.Columns != weight.Columns)
            throw new ArgumentException($"The input has {operation.Input.Columns} columns, the weights {weight.Columns}.", nameof(operation));
        if (ReferenceEquals(operation.Input, operation.Output))
            throw new ArgumentException("Input and output are the same tensor.", nameof(operation));
        if (operation.SoftCap != 0 && (operation.Epilogue != LinearEpilogue.Store || !(operation.SoftCap > 0)))
            throw new ArgumentException($"SoftCap is {operation.SoftCap} with {operation.Epilogue}; it is positive and goes with {LinearEpilogue.Store}.", nameof(operation));
        int outputs = weight.Rows;
        switch (operation.Epilogue)
        {
            case LinearEpilogue.Store or LinearEpilogue.Add:
                break;
            case LinearEpilogue.GatedSilu or LinearEpilogue.GatedGelu:
                if (weight.PartRows.Count != 2 || weight.PartRows[0] != weight.PartRows[1])
                    throw new ArgumentException($"A gated layer has two parts of equal rows, not {string.Join(" + ", weight.PartRows)}.", nameof(operation));
                outputs /= 2;
                break;
            default:
                throw new ArgumentException($"Epilogue is {operation.Epilogue}, which is no {nameof(LinearEpilogue)}.", nameof(operation));
        }

        if (operation.Output.Columns != outputs)
            throw new ArgumentException($"The output has {operation.Output.Columns} columns, the layer {outputs} outputs.", nameof(operation));
    }
}
