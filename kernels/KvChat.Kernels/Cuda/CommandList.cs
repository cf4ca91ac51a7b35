using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>What a command does.</summary>
internal enum CommandKind
{
    /// <summary>Launches a kernel.</summary>
    Launch,

    /// <summary>Multiplies by cuBLAS.</summary>
    Product,

    /// <summary>Copies from the host.</summary>
    Upload,

    /// <summary>Copies within the device.</summary>
    Copy,

    /// <summary>Writes zeros.</summary>
    Clear,
}

/// <summary>A piece of work for a stream, without what it copies from the host.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Kernel">Number of the kernel of a launch.</param>
/// <param name="Grid">Blocks of a launch.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="Shared">Shared memory of a block.</param>
/// <param name="Source">Where a copy within the device comes from.</param>
/// <param name="Target">Where a copy goes.</param>
/// <param name="Start">Where a structure, or what is uploaded, starts among those of the list.</param>
/// <param name="Length">Its bytes; of a copy or of zeros, how many.</param>
internal readonly record struct Command(CommandKind Kind, int Kernel, CudaGrid Grid, int Threads, int Shared, nint Source, nint Target, int Start, long Length);

/// <summary>Commands in order, as many as there is room for, with the structures of launches and what is uploaded. Two lists are alike when they differ in what is uploaded alone.</summary>
internal sealed class CommandList
{
    // Where structures and uploads start: what the device copies fastest.
    private const int Alignment = 16;

    private const int MostCommands = 2048, MostBytes = 1 << 20;

    private readonly Command[] _commands;
    private readonly byte[] _arguments, _uploads;

    /// <summary>An empty list. Its room never grows, so that work allocates nothing.</summary>
    public CommandList()
        : this(new Command[MostCommands], new byte[MostBytes], new byte[MostBytes])
    {
    }

    private CommandList(Command[] commands, byte[] arguments, byte[] uploads) => (_commands, _arguments, _uploads) = (commands, arguments, uploads);

    /// <summary>Number of commands.</summary>
    public int Count { get; private set; }

    /// <summary>The commands.</summary>
    public ReadOnlySpan<Command> Commands => _commands.AsSpan(0, Count);

    /// <summary>Structures of all launches and products.</summary>
    public ReadOnlySpan<byte> Arguments => _arguments.AsSpan(0, ArgumentBytes);

    /// <summary>What is uploaded.</summary>
    public ReadOnlySpan<byte> Uploads => _uploads.AsSpan(0, UploadBytes);

    /// <summary>Bytes that are uploaded.</summary>
    public int UploadBytes { get; private set; }

    private int ArgumentBytes { get; set; }

    /// <summary>Forgets all commands.</summary>
    public void Clear() => Count = ArgumentBytes = UploadBytes = 0;

    /// <summary>Whether there is room for one command more, with so many bytes.</summary>
    public bool Fits(int bytes) => Count < _commands.Length && Aligned(bytes) <= _arguments.Length - ArgumentBytes && Aligned(bytes) <= _uploads.Length - UploadBytes;

    /// <summary>Appends a launch.</summary>
    public void AddLaunch(int kernel, CudaGrid grid, int threads, int shared, ReadOnlySpan<byte> arguments)
    {
        int start = ArgumentBytes;
        ArgumentBytes = Append(_arguments, start, arguments);
        Add(new Command(CommandKind.Launch, kernel, grid, threads, shared, 0, 0, start, arguments.Length));
    }

    /// <summary>Appends a product.</summary>
    public void AddProduct(ReadOnlySpan<byte> product)
    {
        int start = ArgumentBytes;
        ArgumentBytes = Append(_arguments, start, product);
        Add(new Command(CommandKind.Product, 0, default, 0, 0, 0, 0, start, product.Length));
    }

    /// <summary>Appends an upload.</summary>
    public void AddUpload(nint target, ReadOnlySpan<byte> source)
    {
        int start = UploadBytes;
        UploadBytes = Append(_uploads, start, source);
        Add(new Command(CommandKind.Upload, 0, default, 0, 0, 0, target, start, source.Length));
    }

    /// <summary>Appends a copy within the device.</summary>
    public void AddCopy(nint source, nint target, long bytes) => Add(new Command(CommandKind.Copy, 0, default, 0, 0, source, target, 0, bytes));

    /// <summary>Appends zeros.</summary>
    public void AddClear(nint target, long bytes) => Add(new Command(CommandKind.Clear, 0, default, 0, 0, 0, target, 0, bytes));

    /// <summary>Whether the lists do the same, perhaps with other contents of uploads.</summary>
    public bool IsLike(CommandList other) => Commands.SequenceEqual(other.Commands) && Arguments.SequenceEqual(other.Arguments);

    /// <summary>A list of the same commands.</summary>
    public CommandList Copy()
    {
        CommandList copy = new(Commands.ToArray(), Arguments.ToArray(), Uploads.ToArray());
        (copy.Count, copy.ArgumentBytes, copy.UploadBytes) = (Count, ArgumentBytes, UploadBytes);
        return copy;
    }

    private static int Aligned(int bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static int Append(byte[] target, int start, ReadOnlySpan<byte> source)
    {
        int end = start + Aligned(source.Length);
        source.CopyTo(target.AsSpan(start));
        target.AsSpan(start + source.Length, end - start - source.Length).Clear();
        return end;
    }

    private void Add(in Command command) => _commands[Count++] = command;
}
