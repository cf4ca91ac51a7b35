namespace KvChat.Kernels.Cpu.Attention;

/// <summary>What must hold before kernels read a batch through pointers. The pages that it names are the runtime's word.</summary>
internal static class BatchChecks
{
    private const int LargestPool = 1023;

    /// <summary>Sizes of arrays and tensors against each other.</summary>
    /// <exception cref="ArgumentException">Something does not fit; the message names it.</exception>
    public static void Check(KvBatch batch, in KvArenaShape shape, DeviceTensor rows, int queryHeads, int kvHeads)
    {
        if (kvHeads <= 0 || queryHeads <= 0 || queryHeads % kvHeads != 0)
            throw new ArgumentException($"{queryHeads} query heads cannot share {kvHeads} KV heads evenly.", nameof(kvHeads));
        if (rows.Columns != (queryHeads + (2 * kvHeads)) * shape.HeadDim)
            throw new ArgumentException($"Queries, keys and values have {rows.Columns} columns, not {(queryHeads + (2 * kvHeads)) * shape.HeadDim}.", nameof(rows));
        if (batch.RowCount < 0 || batch.RowCount > rows.Rows || batch.RowCount > batch.Positions.Length)
            throw new ArgumentException($"{nameof(KvBatch.RowCount)} is {batch.RowCount}; the tensor has {rows.Rows} rows, {nameof(KvBatch.Positions)} {batch.Positions.Length}.", nameof(batch));
        if (batch.SequenceCount < 0 || batch.SequenceCount > batch.Sequences.Length || (long)batch.SequenceCount * kvHeads > batch.Heads.Length)
            throw new ArgumentException($"{nameof(KvBatch.SequenceCount)} is {batch.SequenceCount}; {nameof(KvBatch.Sequences)} has {batch.Sequences.Length}, {nameof(KvBatch.Heads)} {batch.Heads.Length}.", nameof(batch));
        for (int i = 0; i < batch.SequenceCount; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i];
            if (slice.FirstRow < 0 || slice.RowCount < 0 || slice.FirstRow > batch.RowCount - slice.RowCount)
                throw new ArgumentException($"Sequence {i} has the rows {slice.FirstRow} to {(long)slice.FirstRow + slice.RowCount}, the batch {batch.RowCount}.", nameof(batch));
            if (slice.Format is < KvFormat.F16 or > KvFormat.K4V2)
                throw new ArgumentException($"{nameof(SequenceSlice.Format)} of sequence {i} is {slice.Format}, which this back end does not have; it has {KvFormats.Names}.", nameof(batch));
            CheckLowEnds(batch, i, kvHeads);
        }
    }

    private static void CheckLowEnds(KvBatch batch, int sequence, int kvHeads)
    {
        KvFormat format = batch.Sequences[sequence].LowFormat;
        if (format.IsQuantized())
            return;
        for (int head = sequence * kvHeads; head < (sequence + 1) * kvHeads; head++)
        {
            if (batch.Heads[head].LowLength > 0)
                throw new ArgumentException($"{nameof(SequenceSlice.LowFormat)} of sequence {sequence} is {format}; a right end holds codes: K8V8, K8V4, K4V4 or K4V2.", nameof(batch));
        }
    }

    /// <summary>The tensor of results.</summary>
    /// <exception cref="ArgumentException">It does not fit; the message says why.</exception>
    public static void CheckOutput(KvBatch batch, in KvArenaShape shape, DeviceTensor output, int queryHeads)
    {
        if (output.Columns != queryHeads * shape.HeadDim || output.Rows < batch.RowCount)
            throw new ArgumentException($"The output is [{output.Rows}, {output.Columns}], not [{batch.RowCount}, {queryHeads * shape.HeadDim}].", nameof(output));
    }

    /// <summary>What is to be observed; true if anything is.</summary>
    /// <exception cref="ArgumentException">A field is out of range; the message names it.</exception>
    public static bool CheckObservation(KvBatch batch)
    {
        bool any = false;
        if (batch.RowWeights is { } weights && weights.Length < batch.RowCount)
            throw new ArgumentException($"{nameof(KvBatch.RowWeights)} has {weights.Length} numbers; the batch has {batch.RowCount} rows.", nameof(batch));
        for (int i = 0; i < batch.SequenceCount; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i];
            if (slice.Observation == ObservationMode.None)
                continue;
            if (slice.ObservedRows < 0 || slice.ObservedRows > slice.RowCount)
                throw new ArgumentException($"{nameof(SequenceSlice.ObservedRows)} of sequence {i} is {slice.ObservedRows}; the slice has {slice.RowCount} rows.", nameof(batch));
            if (slice.Observation == ObservationMode.Window && (slice.PoolWidth is < 1 or > LargestPool || slice.PoolWidth % 2 == 0))
                throw new ArgumentException($"{nameof(SequenceSlice.PoolWidth)} of sequence {i} is {slice.PoolWidth}; it must be odd, between 1 and {LargestPool}.", nameof(batch));
            if (slice is { Observation: ObservationMode.Accumulate, LargestOfGroup: true, Largest: false, Squared: true })
                throw new ArgumentException($"{nameof(SequenceSlice.LargestOfGroup)} of sequence {i} needs plain weights where scores are accumulated; {nameof(SequenceSlice.Squared)} is true.", nameof(batch));
            any |= slice.ObservedRows > 0;
        }

        return any;
    }
}
