using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Linear layers: torch multiplies, the CPU kernels do the rest of the row in its memory.</summary>
internal sealed unsafe class TorchLinear(CpuBackend cpu) : IDisposable
{
    private readonly RowKernels _kernels = RowKernels.Of(cpu.SimdWidth);
    private TorchTensor? _normed;

    /// <summary>Runs an operation.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in LinearOperation operation)
    {
        TorchMatrix weight = TorchMatrix.From(operation.Weight, nameof(operation.Weight));
        TorchTensor input = TorchTensor.From(operation.Input, nameof(operation.Input)), output = TorchTensor.From(operation.Output, nameof(operation.Output));
        LinearRunner.Check(operation);
        if (operation.Rows == 0)
            return;
        TorchTensor normed = operation.Norm is { } norm ? Norm(input, operation, norm) : input;
        using Tensor rows = normed.Rows8(operation.Rows);

        // Only mm, bmm and linear turn a native error into an exception; matmul ends the process.
        using Tensor products = mm(rows, weight.Transposed);
        Run(new RowJob
        {
            Kernels = _kernels,
            Epilogue = operation.Epilogue,
            Input = TorchTensor.DataOf(products),
            InputColumns = weight.Rows,
            Weights = CpuVector.DataOf(operation.Bias, weight.Rows, nameof(operation.Bias)),
            Scale = operation.Scale == 0 ? 1 : operation.Scale,
            SoftCap = operation.SoftCap,
            Output = output.View.Data,
            OutputColumns = output.Columns,
            Rows = operation.Rows,
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _normed?.Dispose();

    /// <summary>The tensor where there is room, else a new one in its place.</summary>
    public static TorchTensor Room(ref TorchTensor? tensor, int rows, int columns)
    {
        if (tensor is null || tensor.Rows < rows || tensor.Columns != columns)
        {
            tensor?.Dispose();
            tensor = null;
            tensor = new TorchTensor(rows, columns);
        }

        return tensor;
    }

    private TorchTensor Norm(TorchTensor input, in LinearOperation operation, DeviceVector norm)
    {
        TorchTensor normed = Room(ref _normed, operation.Rows, input.Columns);
        Run(new RowJob
        {
            Kernels = _kernels,
            IsNorm = true,
            Input = input.View.Data,
            InputColumns = input.Columns,
            Weights = CpuVector.DataOf(norm, input.Columns, nameof(operation.Norm)),
            Epsilon = operation.NormEpsilon,
            Output = normed.View.Data,
            OutputColumns = input.Columns,
            Rows = operation.Rows,
        });
        return normed;
    }

    private void Run(RowJob job)
    {
        // Waking the team would take longer than a block of rows does, and it would meet torch's threads, which still spin.
        if (job.Rows <= TorchTensor.RowBlock)
        {
            for (int row = 0; row < job.Rows; row++)
                job.Run(row);
            return;
        }

        job.Chunks = cpu.Team.ChunkCounter;
        cpu.Team.RunChunks(&RowJob.Work, &job);
    }
}
