namespace KvChat.Kernels.Cuda;

/// <summary>Scores of KVs from the attention of observed rows, whose softmax is in the statistics already.</summary>
internal sealed class CudaScores(ICudaQueue queue) : IDisposable
{
    private const int PoolThreads = 64;

    private readonly CudaScratch _items = new(queue), _sums = new(queue);
    private readonly ItemList<ScoreItem> _list = new();

    /// <summary>Makes the scores of all sequences that observe.</summary>
    public void Observe(KvBatch batch, AttendKernels kernels, in AttendArguments attend, long largestLaunch)
    {
        foreach (AttendKind kind in AttendKernels.Kinds)
            Observe(batch, kernels, kind, attend, largestLaunch);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _items.Dispose();
        _sums.Dispose();
    }

    private void Observe(KvBatch batch, AttendKernels kernels, AttendKind kind, in AttendArguments attend, long largestLaunch)
    {
        _list.Clear();
        ScoreKernel kernel = kernels.ScoreOf(kind);
        long sums = 0;
        bool pools = false;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[s];
            if (slice.Observation == ObservationMode.None || slice.ObservedRows == 0 || kernels.KindOf(slice, attend.Group) != kind)
                continue;
            pools |= slice.Observation == ObservationMode.Window;
            for (int h = 0; h < attend.KvHeads; h++)
                AddHead(batch.Heads[(s * attend.KvHeads) + h], slice, s, h, kernel.Run, attend, ref sums);
        }

        if (_list.Count == 0)
            return;
        ScoreArguments arguments = new() { Attend = attend, Items = _items.Ensure(_list.Bytes.Length), Sums = pools ? _sums.Ensure(sums * sizeof(float)) : 0, Run = kernel.Run };
        queue.Upload(arguments.Items, _list.Bytes);
        for (int count; arguments.Attend.FirstItem < _list.Count; arguments.Attend.FirstItem += count)
        {
            count = CudaAttention.CountOf(_list, arguments.Attend.FirstItem, largestLaunch);
            queue.Launch(kernel.Name, count, 1, kernel.Threads, kernel.SharedBytes, CudaAttention.BytesOf(arguments));
        }

        arguments.Attend.FirstItem = 0;
        if (pools)
            queue.Launch("kv_pool_scores", _list.Count, 1, PoolThreads, 0, CudaAttention.BytesOf(arguments));
    }

    // Sums of a head are [group, right end then left end].
    private void AddHead(in HeadView head, in SequenceSlice slice, int sequence, int kvHead, int run, in AttendArguments attend, ref long sums)
    {
        int high = head.Length + slice.RowCount, stride = head.LowLength + high;
        long cost = (long)slice.ObservedRows * attend.Group * run * attend.Arena.HeadDim;
        ScoreItem item = new() { Sequence = sequence, KvHead = kvHead, SumStride = stride, Sums = checked((int)sums), IsLow = 1 };
        for (; item.First < head.LowLength; item.First += run)
            _list.Add(item, cost);
        item.IsLow = 0;
        item.Sums += head.LowLength;
        for (item.First = 0; item.First < high; item.First += run)
            _list.Add(item, cost);
        if (slice.Observation == ObservationMode.Window)
            sums += (long)attend.Group * stride;
    }
}
