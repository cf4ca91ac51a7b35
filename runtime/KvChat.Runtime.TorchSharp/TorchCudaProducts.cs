using KvChat.Kernels.Cuda;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>
/// Rows times weights by torch, between kernels: the norm before a product and what follows behind are the kernels'. Both work in order, as torch stays on the legacy stream of the device's primary
/// context and the kernels' stream waits for that one and is waited for, as long as no launch is held back on the host.
/// </summary>
internal sealed class TorchCudaProducts(CudaQueue queue, TorchPlace place) : IDisposable
{
    private const int NormThreads = 32;

    private TorchCudaTensor? _rows;

    /// <summary>The kernels' device.</summary>
    public CudaQueue Queue => queue;

    /// <summary>Torch's device.</summary>
    public TorchPlace Place => place;

    /// <summary>Multiplies.</summary>
    /// <param name="weight">Weights.</param>
    /// <param name="source">Rows, and the norm before them.</param>
    /// <param name="arguments">How many rows there are, and all about the output.</param>
    public void Run(TorchCudaMatrix weight, in CudaProducts.Source source, in ProductArguments arguments)
    {
        TorchCudaTensor input = source is { Norm: 0, Tensor: TorchCudaTensor own } ? own : Ready(source, arguments.Rows, weight.Columns);

        // Only mm, bmm and linear turn a native error into an exception; matmul ends the process.
        using Tensor rows = input.Rows8(arguments.Rows);
        using TorchPlace.Memory products = place.Take(mm(rows, weight.Transposed));
        for (int first = 0, count; first < arguments.Rows; first += count)
        {
            count = Math.Min(CublasProducts.GridLimit, arguments.Rows - first);
            nint from = products.Address + (nint)((long)first * weight.Rows * sizeof(float));
            CublasProducts.Finish(queue, from, 0, weight.Rows, first, count, arguments);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _rows?.Dispose();

    // Rows behind their norm, or as they are where they are in no tensor of torch's.
    private TorchCudaTensor Ready(in CudaProducts.Source source, int rows, int columns)
    {
        if (_rows is null || _rows.Rows < rows || _rows.Columns != columns)
        {
            _rows?.Dispose();
            _rows = null;
            _rows = TorchCudaTensor.Create(queue, place, rows, columns);
        }

        if (source.Norm == 0)
        {
            queue.Copy(source.Input, _rows.Address, (long)rows * columns * sizeof(float));
            return _rows;
        }

        NormArguments norm = new() { Input = source.Input, Weights = source.Norm, Output = _rows.Address, Rows = rows, Columns = columns, Epsilon = source.Epsilon, Scale = 1 };
        queue.Launch("kv_norm", new(rows), NormThreads, 0, norm);
        return _rows;
    }
}
