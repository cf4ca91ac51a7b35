using KvChat.Kernels.Cuda;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Activations in a torch tensor on a CUDA device, which is a tensor of the CUDA back end as well: kernels see it by its address.</summary>
/// <remarks>There are rows to spare up to a multiple of <see cref="TorchTensor.RowBlock"/>, whose contents mean nothing: products always take whole blocks.</remarks>
internal sealed class TorchCudaTensor : CudaTensor
{
    private readonly TorchPlace.Memory _memory;

    private TorchCudaTensor(CudaQueue queue, int rows, int columns, TorchPlace.Memory memory)
        : base(queue, rows, columns, memory.Address)
    {
        _memory = memory;
    }

    /// <summary>Makes a tensor of zeros.</summary>
    public static TorchCudaTensor Create(CudaQueue queue, TorchPlace place, int rows, int columns) =>
        new(queue, rows, columns, place.Take(zeros(TorchTensor.Padded(rows), columns, ScalarType.Float32, place.Device)));

    /// <summary>The first rows, up to a whole block.</summary>
    public Tensor Rows8(int rows) => _memory.Tensor.narrow(0, 0, TorchTensor.Padded(rows));

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        _memory.Dispose();
    }
}
