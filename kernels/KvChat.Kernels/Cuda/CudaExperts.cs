using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Feed-forward parts with experts. The device chooses. Few rows take the weights of their experts by address, so that nobody waits; for many the host is told the
/// choice, and an expert's products are made for all rows that chose it. Either way a row adds its own in descending order of p, with the same bits.
/// </summary>
internal sealed class CudaExperts(CudaQueue queue, CudaLinear linear) : IDisposable
{
    private const int Threads = 128, FewRows = 8;

    private readonly CudaScratch _sharesOnDevice = new(queue), _chosenOnDevice = new(queue), _products = new(queue);
    private CudaTensor? _logits, _gathered, _hidden, _part, _results;
    private int[] _chosen = [];

    /// <summary>Runs the part.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in ExpertOperation operation)
    {
        ExpertRunner.Check(operation);
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        if (operation.Rows == 0)
            return;
        Choose(operation);
        CudaTensor results = Room(ref _results, operation.Rows * operation.PerRow, input.Columns);
        if (operation.Rows <= FewRows && CudaExpertTable.Of(queue, operation) is { Address: not 0 } table)
            RunChosen(operation, table, input, results);
        else
            RunGrouped(operation, input, results);
        ExpertArguments arguments = new()
        {
            Results = results.Address,
            Shares = _sharesOnDevice.Address,
            Output = output.Address,
            Rows = operation.Rows,
            Columns = input.Columns,
            PerRow = operation.PerRow,
            Adds = operation.Adds ? 1 : 0,
        };
        queue.Launch("kv_add_experts", new(operation.Rows, (input.Columns + Threads - 1) / Threads), Threads, 0, arguments);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CudaTensor? tensor in (ReadOnlySpan<CudaTensor?>)[_logits, _gathered, _hidden, _part, _results])
            tensor?.Dispose();
        foreach (CudaScratch scratch in (ReadOnlySpan<CudaScratch>)[_sharesOnDevice, _chosenOnDevice, _products])
            scratch.Dispose();
    }

    private void Choose(in ExpertOperation operation)
    {
        int slots = operation.Rows * operation.PerRow, experts = operation.Router.Rows;
        CudaTensor logits = Room(ref _logits, operation.Rows, experts);
        linear.Linear(new LinearOperation
        {
            Input = operation.Input,
            Rows = operation.Rows,
            Norm = operation.Norm,
            NormEpsilon = operation.NormEpsilon,
            Weight = operation.Router,
            Output = logits,
        });
        ChooseArguments arguments = new()
        {
            Logits = logits.Address,
            Chosen = _chosenOnDevice.Ensure((long)slots * sizeof(int)),
            Shares = _sharesOnDevice.Ensure((long)slots * sizeof(float)),
            Rows = operation.Rows,
            Experts = experts,
            PerRow = operation.PerRow,
            Normalises = operation.Normalises ? 1 : 0,
            Scale = operation.Scale == 0 ? 1 : operation.Scale,
        };
        queue.Launch("kv_choose_experts", new(operation.Rows), 32, 0, arguments);
    }

    private void RunChosen(in ExpertOperation operation, CudaExpertTable table, CudaTensor input, CudaTensor results)
    {
        CudaMatrix gateUp = CudaMatrix.From(operation.GateUp[0], nameof(operation.GateUp)), down = CudaMatrix.From(operation.Down[0], nameof(operation.Down));
        int slots = operation.Rows * operation.PerRow, experts = operation.GateUp.Count;
        if (down.Rows != input.Columns || gateUp.Columns != input.Columns || gateUp.Rows != 2 * down.Columns)
            throw new ArgumentException($"Experts of {gateUp.Rows} x {gateUp.Columns} and {down.Rows} x {down.Columns} do not fit rows of {input.Columns} numbers.", nameof(operation));
        nint chosen = _chosenOnDevice.Address;
        ProductArguments arguments = new()
        {
            Output = _products.Ensure((long)slots * gateUp.Rows * sizeof(float)),
            Rows = operation.Rows,
            Columns = gateUp.Columns,
            OutputStride = gateUp.Rows,
            Scale = 1,
        };
        nint norm = CudaLinear.AddressOf(operation.Norm, input.Columns, nameof(operation.Norm));
        linear.Products.RunExperts(gateUp, experts, table.Address, chosen, operation.PerRow, new(input.Address, norm, operation.NormEpsilon), arguments);
        CudaTensor hidden = Room(ref _hidden, slots, down.Columns);
        linear.Gate(slots, operation.Activation, arguments.Output, hidden);
        arguments = arguments with { Output = results.Address, Rows = slots, Columns = down.Columns, OutputStride = down.Rows };
        linear.Products.RunExperts(down, experts, table.Address + table.DownOffset, chosen, 1, new(hidden.Address, 0, 0), arguments);
    }

    private void RunGrouped(in ExpertOperation operation, CudaTensor input, CudaTensor results)
    {
        int slots = operation.Rows * operation.PerRow;
        if (_chosen.Length < slots)
            _chosen = new int[slots];
        queue.Download(_chosenOnDevice.Address, MemoryMarshal.AsBytes(_chosen.AsSpan(0, slots)));
        for (int expert = 0; expert < operation.GateUp.Count; expert++)
            RunExpert(operation, expert, input, results);
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
