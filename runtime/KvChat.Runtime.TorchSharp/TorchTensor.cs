using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>Activations in a torch tensor on the processor, which the CPU kernels see through a view on the same memory.</summary>
/// <remarks>
/// There are rows to spare up to a multiple of <see cref="RowBlock"/>, whose contents mean nothing: products always take whole blocks, as those of fewer rows go
/// through other code and round otherwise.
/// </remarks>
internal sealed unsafe class TorchTensor : DeviceTensor
{
    /// <summary>Rows that a product takes at least, and a multiple of.</summary>
    public const int RowBlock = 8;

    // The vector kernels may read a vector beyond the last number.
    private const int SpareNumbers = 16;

    private readonly Tensor _memory;

    /// <summary>Makes a tensor of zeros.</summary>
    public TorchTensor(int rows, int columns)
        : base(rows, columns)
    {
        long padded = Padded(rows), count = checked(padded * columns);
        _memory = zeros(count + SpareNumbers, ScalarType.Float32);
        using Tensor flat = _memory.narrow(0, 0, count);
        Values = flat.view(padded, columns);
        View = new CpuTensor(rows, columns, DataOf(_memory));
    }

    /// <summary>The numbers, <c>[rows and those to spare, columns]</c>.</summary>
    public Tensor Values { get; }

    /// <summary>The same memory for the CPU kernels.</summary>
    public CpuTensor View { get; }

    /// <summary>Rows up to a whole block.</summary>
    public static int Padded(int rows) => checked(rows + RowBlock - 1) / RowBlock * RowBlock;

    /// <summary>First number of a contiguous fp32 tensor on the processor.</summary>
    public static float* DataOf(Tensor tensor) => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    /// <summary>The tensor as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static TorchTensor From(DeviceTensor tensor, string name) => tensor as TorchTensor
        ?? throw new ArgumentException($"A {tensor?.GetType().Name ?? "null"} is no tensor of the TorchSharp back end.", name);

    /// <summary>The first rows, up to a whole block.</summary>
    public Tensor Rows8(int rows) => Values.narrow(0, 0, Padded(rows));

    /// <inheritdoc/>
    public override void Dispose()
    {
        View.Dispose();
        Values.Dispose();
        _memory.Dispose();
    }
}
