namespace KvChat.Kernels.Cuda.Driver;

/// <summary>Sizes of a launch: blocks in three directions.</summary>
internal readonly record struct CudaGrid(int X, int Y = 1, int Z = 1);

/// <summary>What a kernel needs on a device.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="LocalBytes">Bytes of a thread's local memory, in which registers are spilled.</param>
/// <param name="SharedBytes">Bytes of a block's shared memory, without what a launch asks for.</param>
/// <param name="MostThreads">Largest block.</param>
internal readonly record struct KernelResources(int Registers, int LocalBytes, int SharedBytes, int MostThreads);

/// <summary>An entry of a module.</summary>
internal sealed unsafe class CudaKernel(CudaContext context, nint function, string name, int argumentBytes, int number)
{
    private const int MaximumDynamicShared = 8, Registers = 4, LocalBytes = 3, SharedBytes = 1, MostThreads = 0;

    // What every device gives without being asked.
    private const int DefaultShared = 48 << 10;

    private int _shared = DefaultShared;

    /// <summary>Entry name.</summary>
    public string Name { get; } = name;

    /// <summary>Number among the kernels that are in use.</summary>
    public int Number { get; } = number;

    /// <summary>Bytes of its argument, as the PTX says.</summary>
    public int ArgumentBytes { get; } = argumentBytes;

    /// <summary>What the device's compiler made of the kernel.</summary>
    public KernelResources Resources => new(Attribute(Registers), Attribute(LocalBytes), Attribute(SharedBytes), Attribute(MostThreads));

    /// <summary>Launches that were asked for, those within graphs included.</summary>
    public long Launches { get; private set; }

    /// <summary>Most shared memory that a launch asked for, in bytes.</summary>
    public int LargestShared { get; private set; }

    /// <summary>Makes sure that the kernel can be launched so.</summary>
    /// <exception cref="ArgumentException">The argument has not the size that the PTX says.</exception>
    /// <exception cref="CudaException">The device does not give a block so much shared memory.</exception>
    public void Prepare(CudaGrid grid, int block, int shared, int bytes)
    {
        if (bytes != ArgumentBytes)
            throw new ArgumentException($"{Name} takes a structure of {ArgumentBytes} bytes, not {bytes}: the kernels and their binding are not of one version.", nameof(bytes));
        if (shared > _shared)
            AllowShared(shared, grid, block);
        Launches++;
        LargestShared = Math.Max(LargestShared, shared);
    }

    /// <summary>Launches the kernel, which <see cref="Prepare"/> has seen; gives back the driver's result.</summary>
    public int Launch(CudaStream stream, CudaGrid grid, int block, int shared, ReadOnlySpan<byte> arguments)
    {
        fixed (byte* at = arguments)
        {
            void* parameter = at;
            return context.Driver.Functions.LaunchKernel(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)block, 1, 1, (uint)shared, stream.Handle, &parameter, null);
        }
    }

    /// <summary>A launch in words.</summary>
    public static string Describe(string name, CudaGrid grid, int block, int shared) =>
        $"{name} with {grid.X} x {grid.Y} x {grid.Z} blocks of {block} threads and {shared} bytes of shared memory";

    private void AllowShared(int shared, CudaGrid grid, int block)
    {
        context.Driver.Check(context.Driver.Functions.FuncSetAttribute(function, MaximumDynamicShared, shared), "cuFuncSetAttribute",
            $"The launch was of {Describe(Name, grid, block, shared)}; the device gives a block at most {context.LargestShared} bytes.");
        _shared = shared;
    }

    private int Attribute(int attribute)
    {
        int value;
        context.Driver.Check(context.Driver.Functions.FuncGetAttribute(&value, attribute, function), "cuFuncGetAttribute", $"The kernel is {Name}.");
        return value;
    }
}
