namespace KvChat.Kernels.Tests.Attention;

/// <summary>Sizes of an attention layer under test.</summary>
public sealed record LayerShape(int QueryHeads, int KvHeads, int HeadDim)
{
    public int PageTokens { get; init; } = 16;

    public bool LogWeights { get; init; }

    public bool Rotate { get; init; } = true;

    public float SoftCap { get; init; }

    public int SlidingWindow { get; init; }

    /// <summary>Magnitude of queries: the larger, the sharper the softmax.</summary>
    public float Sharpness { get; init; } = 1;

    public int Group => QueryHeads / KvHeads;

    public int RowWidth => (QueryHeads + (2 * KvHeads)) * HeadDim;

    public float Scale => 1 / MathF.Sqrt(HeadDim);
}

/// <summary>One layer with sequences whose heads may differ in length and whose pages lie scattered. Rows are random, but fixed by sequence and token.</summary>
public sealed unsafe class AttentionWorld : IDisposable
{
    private const int PageCount = 2000;

    private readonly IComputeBackend _backend;
    private readonly List<Sequence> _sequences = [];
    private readonly Queue<int> _free;
    private readonly KvBatch _batch = new();

    public AttentionWorld(IComputeBackend backend, LayerShape layer)
    {
        _backend = backend;
        Layer = layer;
        Arena = backend.CreateArena(new KvArenaShape(layer.HeadDim, layer.PageTokens, PageCount, layer.LogWeights, layer.Rotate));
        int[] pages = [.. Enumerable.Range(0, PageCount)];
        new Random(7).Shuffle(pages);
        _free = new Queue<int>(pages);
    }

    public LayerShape Layer { get; }

    public KvArena Arena { get; }

    public DeviceRotary? Rotary { get; set; }

    public DeviceRotary? LongRotary { get; set; }

    public bool UsesLongRotary { get; set; }

    public DeviceVector? QueryNorm { get; set; }

    public DeviceVector? KeyNorm { get; set; }

    /// <summary>Changes a row before it is appended: sequence, token, row.</summary>
    public Action<int, int, float[]>? Tamper { get; set; }

    public int Add(KvFormat format, KvFormat lowFormat = KvFormat.K4V2)
    {
        _sequences.Add(new Sequence(format, lowFormat, Layer.KvHeads));
        return _sequences.Count - 1;
    }

    /// <summary>Requantises some KVs of a head's left end to its right end: those whose index gives the remainder <paramref name="remainder"/>.</summary>
    public void Demote(int sequence, int head, int divisor, int remainder)
    {
        Sequence owner = _sequences[sequence];
        int slots = Arena.PageTokens(owner.Format), lowSlots = Arena.PageTokens(owner.LowFormat), length = owner.Lengths[head];
        int[] going = [.. Enumerable.Range(0, length).Where(i => i % divisor == remainder)], staying = [.. Enumerable.Range(0, length).Except(going)];
        Arena.Stage(owner.Format, [.. going.Select(i => new KvSlot(owner.Pages[head][i / slots], i % slots))]);
        Arena.Move(owner.Format, [.. staying.Select((from, to) => (from, to)).Where(m => m.from != m.to)
            .Select(m => new KvMove(owner.Pages[head][m.from / slots], m.from % slots, owner.Pages[head][m.to / slots], m.to % slots))]);
        owner.Lengths[head] = staying.Length;
        int first = owner.LowLengths[head];
        for (int end = first + going.Length; owner.LowPageCounts[head] * lowSlots < end; owner.LowPageCounts[head]++)
            owner.Pages[head][PageCount - 1 - owner.LowPageCounts[head]] = _free.Dequeue();
        Arena.Unstage(owner.LowFormat, [.. going.Select((_, i) => new KvSlot(owner.Pages[head][PageCount - 1 - ((first + i) / lowSlots)], (first + i) % lowSlots))]);
        owner.LowLengths[head] += going.Length;
    }

    /// <summary>Forgets the newest KVs of one head.</summary>
    public void Truncate(int sequence, int head, int length) => _sequences[sequence].Lengths[head] = length;

    public HeadView Head(int sequence, int head)
    {
        Sequence owner = _sequences[sequence];
        fixed (int* pages = owner.Pages[head])
            return new HeadView(pages, owner.Lengths[head], pages + PageCount - 1, owner.LowLengths[head]);
    }

    public KvFormat FormatOf(int sequence) => _sequences[sequence].Format;

    public KvFormat LowFormatOf(int sequence) => _sequences[sequence].LowFormat;

    /// <summary>Scores of the right end, then of the left one.</summary>
    public float[] Scores(int sequence, int head)
    {
        HeadView view = Head(sequence, head);
        float[] scores = new float[view.LowLength + view.Length];
        Arena.ReadScores(view.LowEnd, LowFormatOf(sequence), scores.AsSpan(0, view.LowLength));
        Arena.ReadScores(view, FormatOf(sequence), scores.AsSpan(view.LowLength));
        return scores;
    }

    /// <summary>The row that token brings, before rotation.</summary>
    public float[] Row(int sequence, int token)
    {
        Random random = new((sequence * 100_003) + token + 1);
        float[] row = new float[Layer.RowWidth];
        for (int i = 0; i < row.Length; i++)
            row[i] = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2) * (i < Layer.QueryHeads * Layer.HeadDim ? Layer.Sharpness : 1);
        Tamper?.Invoke(sequence, token, row);
        return row;
    }

    /// <summary>Appends and attends; results per part and row.</summary>
    public StepResult Step(params StepPart[] parts)
    {
        using PreparedStep step = Prepare(parts);
        step.Run();
        StepResult result = new(ReadRows(step.Rows, _batch.RowCount), ReadRows(step.Output, _batch.RowCount), _batch.Positions);
        foreach (StepPart part in parts)
        {
            Sequence sequence = _sequences[part.Sequence];
            sequence.Tokens += part.Rows;
            for (int head = 0; head < Layer.KvHeads; head++)
                sequence.Lengths[head] += part.Rows;
        }

        return result;
    }

    /// <summary>A step that can be run over and over: it does not lengthen its sequences.</summary>
    public PreparedStep Prepare(params StepPart[] parts)
    {
        int rows = parts.Sum(p => p.Rows);
        DeviceTensor tensor = _backend.CreateTensor(rows + 2, Layer.RowWidth);
        DeviceTensor output = _backend.CreateTensor(rows + 1, Layer.QueryHeads * Layer.HeadDim);
        Fill(parts, rows, tensor);
        AppendOperation append = new()
        {
            QueryKeyValue = tensor,
            QueryHeads = Layer.QueryHeads,
            KvHeads = Layer.KvHeads,
            Arena = Arena,
            Batch = _batch,
            Rotary = Rotary,
            LongRotary = LongRotary,
            QueryNorm = QueryNorm,
            KeyNorm = KeyNorm,
            NormEpsilon = 1e-5f,
        };
        AttentionOperation attention = new()
        {
            QueryKeyValue = tensor,
            QueryHeads = Layer.QueryHeads,
            KvHeads = Layer.KvHeads,
            Arena = Arena,
            Batch = _batch,
            Output = output,
            Scale = Layer.Scale,
            SoftCap = Layer.SoftCap,
            SlidingWindow = Layer.SlidingWindow,
        };
        return new PreparedStep(_backend, append, attention);
    }

    public void Dispose() => Arena.Dispose();

    private void Fill(StepPart[] parts, int rows, DeviceTensor tensor)
    {
        _batch.Sequences = new SequenceSlice[parts.Length];
        _batch.SequenceCount = parts.Length;
        _batch.Positions = new int[rows];
        _batch.RowCount = rows;
        _batch.RowWeights = parts[0].RowWeights;
        _batch.Heads = new HeadView[parts.Length * Layer.KvHeads];
        int row = 0;
        for (int s = 0; s < parts.Length; s++)
        {
            StepPart part = parts[s];
            Sequence sequence = _sequences[part.Sequence];
            _batch.Sequences[s] = new SequenceSlice
            {
                UsesLongRotary = UsesLongRotary, FirstRow = row,
                RowCount = part.Rows,
                Format = sequence.Format,
                LowFormat = sequence.LowFormat,
                Observation = part.Observation,
                ObservedRows = part.ObservedRows,
                PoolWidth = part.PoolWidth,
                Squared = part.Squared,
                Largest = part.Largest,
                LargestOfGroup = part.LargestOfGroup,
                AveragePool = part.AveragePool,
            };
            for (int head = 0; head < Layer.KvHeads; head++)
            {
                Reserve(sequence, head, sequence.Lengths[head] + part.Rows);
                _batch.Heads[(s * Layer.KvHeads) + head] = Head(part.Sequence, head);
            }

            for (int i = 0; i < part.Rows; i++, row++)
            {
                _batch.Positions[row] = sequence.Tokens + i;
                _backend.Write(tensor, row, Row(part.Sequence, sequence.Tokens + i));
            }
        }
    }

    private void Reserve(Sequence sequence, int head, int length)
    {
        int slots = Arena.PageTokens(sequence.Format);
        for (; sequence.PageCounts[head] * slots < length; sequence.PageCounts[head]++)
            sequence.Pages[head][sequence.PageCounts[head]] = _free.Dequeue();
    }

    private float[][] ReadRows(DeviceTensor tensor, int rows)
    {
        float[][] result = new float[rows][];
        for (int i = 0; i < rows; i++)
        {
            result[i] = new float[tensor.Columns];
            _backend.Read(tensor, i, result[i]);
        }

        return result;
    }

    private sealed class Sequence(KvFormat format, KvFormat lowFormat, int heads)
    {
        public KvFormat Format { get; } = format;

        public KvFormat LowFormat { get; } = lowFormat;

        public int[] LowLengths { get; } = new int[heads];

        public int[] LowPageCounts { get; } = new int[heads];

        public int Tokens { get; set; }

        public int[] Lengths { get; } = new int[heads];

        public int[] PageCounts { get; } = new int[heads];

        public int[][] Pages { get; } = [.. Enumerable.Range(0, heads).Select(_ => GC.AllocateArray<int>(PageCount, pinned: true))];
    }
}

/// <summary>Rows of one sequence in a step, and what is observed.</summary>
public sealed record StepPart(int Sequence, int Rows)
{
    public ObservationMode Observation { get; init; }

    public int ObservedRows { get; init; }

    public int PoolWidth { get; init; } = 1;

    public bool Squared { get; init; } = true;

    public bool Largest { get; init; }

    public bool LargestOfGroup { get; init; }

    public bool AveragePool { get; init; }

    public float[]? RowWeights { get; init; }
}

/// <summary>Rows after they were appended (queries rotated), results, positions.</summary>
public sealed record StepResult(float[][] Rows, float[][] Outputs, int[] Positions);

/// <summary>The two operations of a step, and their tensors.</summary>
public sealed class PreparedStep(IComputeBackend backend, AppendOperation append, AttentionOperation attention) : IDisposable
{
    public DeviceTensor Rows => append.QueryKeyValue;

    public DeviceTensor Output => attention.Output;

    public void Run()
    {
        backend.Append(append);
        backend.Attend(attention);
    }

    public void Dispose()
    {
        Rows.Dispose();
        Output.Dispose();
    }
}
