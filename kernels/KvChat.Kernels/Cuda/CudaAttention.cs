using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Cuda;

/// <summary>Appending and attention on the device: checks operations, lays out their batch, cuts the work and launches it.</summary>
/// <remarks>What kernels compute does not depend on how the work is cut; see <c>attention.h</c>.</remarks>
internal sealed class CudaAttention(ICudaQueue queue) : IDisposable
{
    /// <summary>Longest head that the kernels have room for.</summary>
    public const int LargestHeadDim = 256;

    private const float Log2OfE = 1.44269504088896341f;
    private const int AppendWarps = 4, HeadWarps = 4, ItemsOfMultiprocessor = 4;

    private readonly CudaBatch _batch = new(queue);
    private readonly CudaScratch _reciprocals = new(queue), _items = new(queue), _turned = new(queue), _records = new(queue), _statistics = new(queue);
    private readonly AttendItems _cut = new();
    private readonly CudaScores _scores = new(queue);
    private AttendKernels? _kernels;

    /// <summary>
    /// Multiplications of a launch, beyond which work goes into further ones: systems end a launch that keeps a display waiting for some seconds, and so many
    /// take a tenth of one at worst.
    /// </summary>
    public long LargestLaunch { get; set; } = 1L << 36;

    /// <summary>Normalises, rotates and stores the rows of a batch.</summary>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Append(in AppendOperation operation)
    {
        KvArenaShape shape = Check(operation.Arena);
        KvBatch batch = operation.Batch;
        BatchChecks.Check(batch, shape, operation.QueryKeyValue, operation.QueryHeads, operation.KvHeads);
        CudaRotary? rotary = CudaRotary.From(operation.Rotary, shape.HeadDim), longRotary = CudaRotary.From(operation.LongRotary, shape.HeadDim);
        if (longRotary != null && longRotary.Pairs != rotary?.Pairs)
            throw new ArgumentException($"LongRotary rotates {longRotary.Dimensions} coordinates, Rotary {rotary?.Dimensions ?? 0}; they must agree.", nameof(operation));
        if (batch.RowCount == 0)
            return;
        rotary?.Prepare(batch.Positions.AsSpan(0, batch.RowCount));
        longRotary?.Prepare(batch.Positions.AsSpan(0, batch.RowCount));
        AppendArguments arguments = new()
        {
            Arena = ArenaArguments.Of(shape, queue.AddressOf(operation.Arena)),
            Batch = _batch.Bring(batch, operation.KvHeads, shape),
            Rows = queue.AddressOf(operation.QueryKeyValue),
            QueryNorm = NormOf(operation.QueryNorm, shape.HeadDim, operation.QueryHeads, nameof(operation.QueryNorm)),
            KeyNorm = NormOf(operation.KeyNorm, shape.HeadDim, operation.KvHeads, nameof(operation.KeyNorm)),
            Angles = rotary?.Address ?? 0,
            LongAngles = longRotary?.Address ?? 0,
            RowStride = operation.QueryKeyValue.Columns,
            QueryHeads = operation.QueryHeads,
            KvHeads = operation.KvHeads,
            Pairs = rotary?.Pairs ?? 0,
            LongPairs = longRotary?.Pairs ?? 0,
            QueryNormHeads = (operation.QueryNorm?.Length ?? shape.HeadDim) / shape.HeadDim,
            KeyNormHeads = (operation.KeyNorm?.Length ?? shape.HeadDim) / shape.HeadDim,
            Epsilon = operation.NormEpsilon,
        };
        if (arguments.QueryNormHeads > 1 || arguments.KeyNormHeads > 1)
        {
            arguments.Reciprocals = _reciprocals.Ensure(2L * batch.RowCount * sizeof(float));
            queue.Launch("kv_append_norms", batch.RowCount, 1, 64, 0, BytesOf(arguments));
        }

        int heads = operation.QueryHeads + operation.KvHeads;
        queue.Launch("kv_append", batch.RowCount, (heads + AppendWarps - 1) / AppendWarps, AppendWarps * 32, AppendWarps * 2 * shape.HeadDim * sizeof(float), BytesOf(arguments));
    }

    /// <summary>Attention of the rows of a batch, and what it records about KVs.</summary>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Attend(in AttentionOperation operation)
    {
        KvArenaShape shape = Check(operation.Arena);
        KvBatch batch = operation.Batch;
        BatchChecks.Check(batch, shape, operation.QueryKeyValue, operation.QueryHeads, operation.KvHeads);
        BatchChecks.CheckOutput(batch, shape, operation.Output, operation.QueryHeads);
        bool observes = BatchChecks.CheckObservation(batch);
        ArgumentOutOfRangeException.ThrowIfNegative(operation.SlidingWindow);
        if (batch.RowCount == 0)
            return;
        AttendArguments arguments = new()
        {
            Arena = ArenaArguments.Of(shape, queue.AddressOf(operation.Arena)),
            Batch = _batch.Bring(batch, operation.KvHeads, shape),
            Rows = queue.AddressOf(operation.QueryKeyValue),
            Output = queue.AddressOf(operation.Output),
            Statistics = observes ? _statistics.Ensure(2L * batch.RowCount * operation.QueryHeads * sizeof(float)) : 0,
            RowStride = operation.QueryKeyValue.Columns,
            OutputStride = operation.Output.Columns,
            QueryHeads = operation.QueryHeads,
            KvHeads = operation.KvHeads,
            Group = operation.QueryHeads / operation.KvHeads,
            RecordSize = (AttendArguments.RecordHeader + shape.HeadDim + 3) / 4 * 4,
            SlidingWindow = operation.SlidingWindow,
            Factor = operation.SoftCap == 0 ? operation.Scale * Log2OfE : operation.Scale / operation.SoftCap,
            Cap = operation.SoftCap * Log2OfE,
        };
        if (_kernels?.HeadDim != shape.HeadDim)
            _kernels = new AttendKernels(shape.HeadDim, queue.LargestSharedBytes);
        int turns = TurnsOf(batch, arguments.Arena, operation.KvHeads, out bool resultsTurn);
        if ((turns & PageLayoutArguments.TurnsKeys) != 0)
        {
            arguments.Turned = _turned.Ensure((long)batch.RowCount * operation.QueryHeads * shape.HeadDim * sizeof(float));
            LaunchHeads("kv_turn_queries", batch, arguments);
        }

        foreach (AttendKind kind in AttendKernels.Kinds)
            Attend(batch, _kernels, kind, arguments);
        if (resultsTurn)
            LaunchHeads("kv_turn_results_back", batch, arguments);
        if (observes)
            _scores.Observe(batch, _kernels, arguments, LargestLaunch);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batch.Dispose();
        _reciprocals.Dispose();
        _items.Dispose();
        _turned.Dispose();
        _records.Dispose();
        _statistics.Dispose();
        _scores.Dispose();
    }

    /// <summary>A structure's bytes.</summary>
    internal static ReadOnlySpan<byte> BytesOf<T>(in T arguments)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in arguments));

    /// <summary>How many of the items from <paramref name="first"/> on are launched at once.</summary>
    internal static int CountOf<T>(ItemList<T> items, int first, long largestLaunch)
        where T : unmanaged
    {
        int count = 1;
        for (long cost = items.CostOf(first); first + count < items.Count && (cost += items.CostOf(first + count)) <= largestLaunch;)
            count++;
        return count;
    }

    private static KvArenaShape Check(KvArena arena)
    {
        KvArenaShape shape = arena.Shape;
        return shape.HeadDim is > 0 and <= LargestHeadDim ? shape
            : throw new ArgumentException($"{nameof(KvArenaShape.HeadDim)} is {shape.HeadDim}; the CUDA back end has kernels for 1 to {LargestHeadDim}.", nameof(arena));
    }

    private nint NormOf(DeviceVector? norm, int headDim, int heads, string name)
    {
        if (norm is null)
            return 0;
        return norm.Length == headDim || norm.Length == headDim * heads ? queue.AddressOf(norm)
            : throw new ArgumentException($"{name} has {norm.Length} numbers, not {headDim} or {headDim * heads}.", name);
    }

    // What the formats of a batch turn, in either end, and whether results come out turned: they are as the left end has its values.
    private static int TurnsOf(KvBatch batch, in ArenaArguments arena, int kvHeads, out bool resultsTurn)
    {
        int turns = 0;
        resultsTurn = false;
        for (int i = 0; i < batch.SequenceCount; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i];
            turns |= arena.Layouts[(int)slice.Format].Turns;
            resultsTurn |= (arena.Layouts[(int)slice.Format].Turns & PageLayoutArguments.TurnsValues) != 0;
            for (int head = i * kvHeads; head < (i + 1) * kvHeads; head++)
                turns |= batch.Heads[head].LowLength > 0 ? arena.Layouts[(int)slice.LowFormat].Turns : 0;
        }

        return turns;
    }

    private void LaunchHeads(string kernel, KvBatch batch, in AttendArguments arguments) =>
        queue.Launch(kernel, batch.RowCount, (arguments.QueryHeads + HeadWarps - 1) / HeadWarps, HeadWarps * 32, 0, BytesOf(arguments));

    private void Attend(KvBatch batch, AttendKernels kernels, AttendKind kind, AttendArguments arguments)
    {
        _cut.Cut(batch, arguments, kernels, kind, ItemsOfMultiprocessor * queue.Multiprocessors);
        if (_cut.Items.Count == 0)
            return;
        ReadOnlySpan<byte> items = _cut.Items.Bytes, merges = _cut.Merges.Bytes;
        nint address = _items.Ensure(items.Length + merges.Length);
        queue.Upload(address, items);
        if (_cut.Merges.Count > 0)
        {
            queue.Upload(address + items.Length, merges);
            arguments.Records = _records.Ensure((long)_cut.Records * arguments.RecordSize * sizeof(float));
        }

        arguments.Items = address;
        AttendKernel kernel = kernels[kind];
        for (int count; arguments.FirstItem < _cut.Items.Count; arguments.FirstItem += count)
        {
            count = CountOf(_cut.Items, arguments.FirstItem, LargestLaunch);
            queue.Launch(kernel.Name, count, 1, kernel.Threads, kernel.SharedBytes, BytesOf(arguments));
        }

        arguments.Items += items.Length;
        arguments.FirstItem = 0;
        if (_cut.Merges.Count > 0)
            queue.Launch("kv_merge_records", _cut.Merges.Count, _cut.QueriesOfItem, 128, arguments.Arena.HeadDim * sizeof(float), BytesOf(arguments));
    }
}
