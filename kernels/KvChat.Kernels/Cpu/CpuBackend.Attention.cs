using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Cpu;

public sealed unsafe partial class CpuBackend
{
    private readonly GrowingBuffer _appendScratch = new();
    private AttentionRunner? _attention;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">There is no frequency.</exception>
    public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => new CpuRotary(inverseFrequencies, magnitude);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The shape has no layout; the message says which field is wrong.</exception>
    public KvArena CreateArena(in KvArenaShape shape) => new CpuArena(shape);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Append(in AppendOperation operation)
    {
        CpuArena arena = CpuArena.From(operation.Arena);
        CpuTensor rows = CpuTensor.From(operation.QueryKeyValue, nameof(operation.QueryKeyValue));
        int headDim = arena.Shape.HeadDim;
        KvBatch batch = operation.Batch;
        BatchChecks.Check(batch, arena.Shape, rows, operation.QueryHeads, operation.KvHeads);
        CpuRotary? rotary = CpuRotary.From(operation.Rotary, headDim);
        CpuRotary? longRotary = CpuRotary.From(operation.LongRotary, headDim) ?? rotary;
        if (longRotary?.Pairs != rotary?.Pairs)
            throw new ArgumentException($"LongRotary rotates {longRotary?.Dimensions} coordinates, Rotary {rotary?.Dimensions ?? 0}; they must agree.", nameof(operation));

        // A worker's scratch: a key, its halves and 16 lanes; then the angles of each row.
        int stride = ((3 * headDim * sizeof(float)) + 127) / 64 * 64;
        byte* scratch = _appendScratch.Ensure(((long)stride * _team.Count) + ((long)batch.RowCount * sizeof(float*)));
        float** angles = (float**)(scratch + ((long)stride * _team.Count));
        if (rotary != null)
            FindAngles(batch, rotary, longRotary!, angles);
        fixed (SequenceSlice* sequences = batch.Sequences)
        fixed (HeadView* heads = batch.Heads)
        fixed (int* positions = batch.Positions)
        {
            AppendJob job = new()
            {
                Pages = arena.View,
                Sequences = sequences,
                SequenceCount = batch.SequenceCount,
                Heads = heads,
                Positions = positions,
                Rows = rows.Data,
                RowStride = rows.Columns,
                QueryHeads = operation.QueryHeads,
                KvHeads = operation.KvHeads,
                QueryNorm = NormOf(operation.QueryNorm, headDim, operation.QueryHeads, nameof(operation.QueryNorm)),
                KeyNorm = NormOf(operation.KeyNorm, headDim, operation.KvHeads, nameof(operation.KeyNorm)),
                QueryNormHeads = (operation.QueryNorm?.Length ?? headDim) / headDim,
                KeyNormHeads = (operation.KeyNorm?.Length ?? headDim) / headDim,
                NormEpsilon = operation.NormEpsilon,
                Pairs = rotary?.Pairs ?? 0,
                Angles = rotary == null ? null : angles,
                Scratch = scratch,
                ScratchStride = stride,
                Work = Attention.Kernels.Append,
            };
            if (batch.RowCount <= AppendJob.ChunkRows)
                AppendJob.Run(&job, 0);
            else
                _team.Run(&AppendJob.Run, &job);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Attend(in AttentionOperation operation)
    {
        CpuArena arena = CpuArena.From(operation.Arena);
        CpuTensor rows = CpuTensor.From(operation.QueryKeyValue, nameof(operation.QueryKeyValue));
        CpuTensor output = CpuTensor.From(operation.Output, nameof(operation.Output));
        KvBatch batch = operation.Batch;
        BatchChecks.Check(batch, arena.Shape, rows, operation.QueryHeads, operation.KvHeads);
        BatchChecks.CheckOutput(batch, arena.Shape, output, operation.QueryHeads);
        bool observes = BatchChecks.CheckObservation(batch);
        ArgumentOutOfRangeException.ThrowIfNegative(operation.SlidingWindow);
        fixed (SequenceSlice* sequences = batch.Sequences)
        fixed (HeadView* heads = batch.Heads)
        fixed (int* positions = batch.Positions)
        fixed (float* rowWeights = batch.RowWeights)
        {
            AttentionJob job = new()
            {
                Pages = arena.View,
                Sequences = sequences,
                Heads = heads,
                Positions = positions,
                Queries = rows.Data,
                QueryStride = rows.Columns,
                Output = output.Data,
                OutputStride = output.Columns,
                KvHeads = operation.KvHeads,
                Group = operation.QueryHeads / operation.KvHeads,
                HeadDim = arena.Shape.HeadDim,
                Scale = operation.Scale,
                SoftCap = operation.SoftCap,
                SlidingWindow = operation.SlidingWindow,
                RowWeights = rowWeights,
            };
            Attention.Attend(&job, batch, observes);
        }
    }

    /// <summary>Weights of a norm over each head, or over all of them.</summary>
    private static float* NormOf(DeviceVector? norm, int headDim, int heads, string name) =>
        CpuVector.DataOf(norm, norm?.Length == headDim * heads ? headDim * heads : headDim, name);

    /// <summary>Where each row's angles are, in the table of its sequence.</summary>
    private static void FindAngles(KvBatch batch, CpuRotary rotary, CpuRotary longRotary, float** angles)
    {
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            SequenceSlice slice = batch.Sequences[s];
            CpuRotary table = slice.UsesLongRotary ? longRotary : rotary;
            table.Prepare(batch.Positions.AsSpan(slice.FirstRow, slice.RowCount));
            for (int i = slice.FirstRow; i < slice.FirstRow + slice.RowCount; i++)
                angles[i] = table.Row(batch.Positions[i]);
        }
    }

    private AttentionRunner Attention => _attention ??= new AttentionRunner(_team, _width);

    private void DisposeAttention()
    {
        _attention?.Dispose();
        _appendScratch.Dispose();
    }
}
