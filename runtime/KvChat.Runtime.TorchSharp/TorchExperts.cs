using KvChat.Kernels;
using KvChat.Kernels.Cpu;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Experts: routes every row, takes expert after expert over the rows that chose it, and adds each row's results in its own order.</summary>
internal sealed unsafe class TorchExperts(TorchLinear linear, int simdWidth) : IDisposable
{
    private readonly RowKernels _kernels = RowKernels.Of(simdWidth);
    private TorchTensor? _logits, _gathered, _hidden, _part, _results;
    private int[] _chosen = [];
    private float[] _weights = [];

    /// <summary>Runs an operation.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in ExpertOperation operation)
    {
        ExpertRunner.Check(operation);
        int rows = operation.Rows, perRow = operation.PerRow, width = operation.Input.Columns;
        if (rows == 0)
            return;
        CpuTensor output = TorchTensor.From(operation.Output, nameof(operation.Output)).View;
        Route(operation);
        CpuTensor results = TorchLinear.Room(ref _results, rows * perRow, width).View;
        for (int expert = 0; expert < operation.GateUp.Count; expert++)
            RunExpert(operation, expert, results);
        float scale = operation.Scale == 0 ? 1 : operation.Scale;
        for (int row = 0; row < rows; row++)
        {
            if (!operation.Adds)
                new Span<float>(output.Row(row), width).Clear();
            for (int i = row * perRow; i < (row + 1) * perRow; i++)
                ExpertRunner.AddRow(results.Row(i), _weights[i] * scale, output.Row(row), width, _kernels);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TorchTensor? tensor in (ReadOnlySpan<TorchTensor?>)[_logits, _gathered, _hidden, _part, _results])
            tensor?.Dispose();
    }

    private void Route(in ExpertOperation operation)
    {
        int rows = operation.Rows, perRow = operation.PerRow, experts = operation.Router.Rows;
        TorchTensor logits = TorchLinear.Room(ref _logits, rows, experts);
        linear.Run(new LinearOperation
        {
            Input = operation.Input, Rows = rows, Norm = operation.Norm, NormEpsilon = operation.NormEpsilon, Weight = operation.Router, Output = logits,
        });
        if (_chosen.Length < rows * perRow)
        {
            _chosen = new int[rows * perRow];
            _weights = new float[rows * perRow];
        }

        for (int row = 0; row < rows; row++)
            ExpertChoice.Choose(new ReadOnlySpan<float>(logits.View.Row(row), experts), operation.Normalises, _chosen.AsSpan(row * perRow, perRow), _weights.AsSpan(row * perRow, perRow));
    }

    private void RunExpert(in ExpertOperation operation, int expert, CpuTensor results)
    {
        int perRow = operation.PerRow, width = operation.Input.Columns, count = 0;
        CpuTensor input = TorchTensor.From(operation.Input, nameof(operation.Input)).View;
        ReadOnlySpan<int> chosen = _chosen.AsSpan(0, operation.Rows * perRow);
        TorchTensor gathered = TorchLinear.Room(ref _gathered, operation.Rows, width);
        for (int i = 0; i < chosen.Length; i++)
        {
            if (chosen[i] == expert)
                new ReadOnlySpan<float>(input.Row(i / perRow), width).CopyTo(new Span<float>(gathered.View.Row(count++), width));
        }

        if (count == 0)
            return;
        TorchTensor hidden = TorchLinear.Room(ref _hidden, operation.Rows, operation.Down[expert].Columns), part = TorchLinear.Room(ref _part, operation.Rows, width);
        linear.Run(new LinearOperation
        {
            Input = gathered, Rows = count, Norm = operation.Norm, NormEpsilon = operation.NormEpsilon, Weight = operation.GateUp[expert], Output = hidden, Epilogue = operation.Activation,
        });
        linear.Run(new LinearOperation { Input = hidden, Rows = count, Weight = operation.Down[expert], Output = part });
        for (int i = 0, at = 0; at < count; i++)
        {
            if (chosen[i] == expert)
                new ReadOnlySpan<float>(part.View.Row(at++), width).CopyTo(new Span<float>(results.Row(i), width));
        }
    }
}
