using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Feed-forward parts with experts: logits and products on the device, the choice on the host. An expert's products are made for all rows that chose it; then
/// a row adds its own in descending order of p, whoever shares them.
/// </summary>
internal sealed class CudaExperts(CudaQueue queue, CudaLinear linear) : IDisposable
{
    private const int Threads = 128;

    private readonly CudaScratch _sharesOnDevice = new(queue);
    private CudaTensor? _logits, _gathered, _hidden, _part, _results;
    private float[] _rowLogits = [], _shares = [];
    private int[] _chosen = [];

    /// <summary>Runs the part.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in ExpertOperation operation)
    {
        ExpertRunner.Check(operation);
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        if (operation.Rows == 0)
            return;
        Route(operation);
        CudaTensor results = Room(ref _results, operation.Rows * operation.PerRow, input.Columns);
        for (int expert = 0; expert < operation.GateUp.Count; expert++)
            RunExpert(operation, expert, input, results);
        int count = operation.Rows * operation.PerRow;
        ExpertArguments arguments = new()
        {
            Results = results.Address,
            Shares = _sharesOnDevice.Ensure((long)count * sizeof(float)),
            Output = output.Address,
            Rows = operation.Rows,
            Columns = input.Columns,
            PerRow = operation.PerRow,
            Adds = operation.Adds ? 1 : 0,
        };
        queue.Upload(arguments.Shares, MemoryMarshal.AsBytes(_shares.AsSpan(0, count)));
        queue.Launch("kv_add_experts", new(operation.Rows, (input.Columns + Threads - 1) / Threads), Threads, 0, arguments);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CudaTensor? tensor in (ReadOnlySpan<CudaTensor?>)[_logits, _gathered, _hidden, _part, _results])
            tensor?.Dispose();
        _sharesOnDevice.Dispose();
    }

    private void Route(in ExpertOperation operation)
    {
        int rows = operation.Rows, perRow = operation.PerRow, experts = operation.Router.Rows;
        CudaTensor logits = Room(ref _logits, rows, experts);
        linear.Linear(new LinearOperation
        {
            Input = operation.Input,
            Rows = rows,
            Norm = operation.Norm,
            NormEpsilon = operation.NormEpsilon,
            Weight = operation.Router,
            Output = logits,
        });
        if (_chosen.Length < rows * perRow)
        {
            _chosen = new int[rows * perRow];
            _shares = new float[rows * perRow];
        }

        if (_rowLogits.Length < rows * experts)
            _rowLogits = new float[rows * experts];
        queue.Download(logits.Address, MemoryMarshal.AsBytes(_rowLogits.AsSpan(0, rows * experts)));
        for (int row = 0; row < rows; row++)
            ExpertChoice.Choose(_rowLogits.AsSpan(row * experts, experts), operation.Normalises, _chosen.AsSpan(row * perRow, perRow), _shares.AsSpan(row * perRow, perRow));
        float scale = operation.Scale == 0 ? 1 : operation.Scale;
        foreach (ref float share in _shares.AsSpan(0, rows * perRow))
            share *= scale;
    }

    private void RunExpert(in ExpertOperation operation, int expert, CudaTensor input, CudaTensor results)
    {
        int perRow = operation.PerRow, count = 0;
        long bytes = (long)input.Columns * sizeof(float);
        ReadOnlySpan<int> chosen = _chosen.AsSpan(0, operation.Rows * perRow);
        if (!chosen.Contains(expert))
            return;
        CudaTensor gathered = Room(ref _gathered, operation.Rows, input.Columns);
        for (int i = 0; i < chosen.Length; i++)
        {
            if (chosen[i] == expert)
                queue.Copy(input.Row(i / perRow), gathered.Row(count++), bytes);
        }

        CudaTensor hidden = Room(ref _hidden, operation.Rows, operation.Down[expert].Columns), part = Room(ref _part, operation.Rows, input.Columns);
        linear.Linear(new LinearOperation
        {
            Input = gathered,
            Rows = count,
            Norm = operation.Norm,
            NormEpsilon = operation.NormEpsilon,
            Weight = operation.GateUp[expert],
            Output = hidden,
            Epilogue = operation.Activation,
        });
        linear.Linear(new LinearOperation { Input = hidden, Rows = count, Weight = operation.Down[expert], Output = part });
        for (int i = 0, at = 0; at < count; i++)
        {
            if (chosen[i] == expert)
                queue.Copy(part.Row(at++), results.Row(i), bytes);
        }
    }

    private CudaTensor Room(ref CudaTensor? tensor, int rows, int columns)
    {
        if (tensor is null || tensor.Rows < rows || tensor.Columns != columns)
        {
            tensor?.Dispose();
            tensor = null;
            tensor = new CudaTensor(queue, rows, columns);
        }

        return tensor;
    }
}
