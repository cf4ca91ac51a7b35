using System.Text;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>A file of kernels, compiled by the driver for the device at hand.</summary>
internal sealed unsafe class CudaModule : IDisposable
{
    private const int ErrorLog = 5, ErrorLogBytes = 6, LogBytes = 4096;

    private readonly CudaContext _context;
    private readonly PtxFile _file;
    private nint _handle;

    /// <summary>Compiles the file.</summary>
    /// <exception cref="CudaException">The driver refuses it; the message has the compiler's words.</exception>
    public CudaModule(CudaContext context, PtxFile file)
    {
        _context = context;
        _file = file;
        byte* log = stackalloc byte[LogBytes];
        log[0] = 0;
        int* options = stackalloc int[2] { ErrorLog, ErrorLogBytes };
        void** values = stackalloc void*[2];
        values[0] = log;
        values[1] = (void*)LogBytes;
        nint handle;
        fixed (byte* text = file.Text)
        {
            int result = context.Driver.Functions.ModuleLoadDataEx(&handle, text, 2, options, values);
            if (result != 0)
                context.Driver.Check(result, "cuModuleLoadDataEx", $"The file is {file.Name}. {LogOf(log)}");
        }

        _handle = handle;
    }

    /// <summary>An entry of the file, with the number that it shall have.</summary>
    public CudaKernel Kernel(string name, int number)
    {
        nint function;
        fixed (byte* text = Encoding.ASCII.GetBytes(name + '\0'))
            _context.Driver.Check(_context.Driver.Functions.ModuleGetFunction(&function, _handle, text), "cuModuleGetFunction", $"The kernel is {name} of {_file.Name}.");
        return new CudaKernel(_context, function, name, _file.Entries[name], number);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = _context.Driver.Functions.ModuleUnload(_handle);
        _handle = 0;
    }

    private static string LogOf(byte* log)
    {
        int length = new ReadOnlySpan<byte>(log, LogBytes).IndexOf((byte)0);
        return Encoding.UTF8.GetString(log, length < 0 ? LogBytes : length).Trim();
    }
}

/// <summary>All kernels, by entry name; a file is compiled when one of its kernels is first used.</summary>
internal sealed class CudaKernels : IDisposable
{
    private static readonly Lazy<Dictionary<string, PtxFile>> Files = new(() =>
        PtxFile.ReadAll().SelectMany(f => f.Entries.Keys, (file, entry) => (file, entry)).ToDictionary(p => p.entry, p => p.file, StringComparer.Ordinal));

    private readonly CudaContext _context;
    private readonly Dictionary<string, CudaKernel> _kernels = new(StringComparer.Ordinal);
    private readonly List<CudaKernel> _numbered = [];
    private readonly Dictionary<PtxFile, CudaModule> _modules = [];

    public CudaKernels(CudaContext context) => _context = context;

    /// <summary>Names of all entries.</summary>
    public static IEnumerable<string> Names => Files.Value.Keys;

    /// <summary>A kernel.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public CudaKernel this[string name] => _kernels.TryGetValue(name, out CudaKernel? kernel) ? kernel : Load(name);

    /// <summary>A kernel that is in use, by its number.</summary>
    public CudaKernel this[int number] => _numbered[number];

    /// <summary>Kernels that are, or were, in use, by number.</summary>
    public IReadOnlyList<CudaKernel> InUse => _numbered;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CudaModule module in _modules.Values)
            module.Dispose();
        _modules.Clear();
        _kernels.Clear();
    }

    private CudaKernel Load(string name)
    {
        if (!Files.Value.TryGetValue(name, out PtxFile? file))
            throw new ArgumentException($"There is no kernel {name}.", nameof(name));
        if (!_modules.TryGetValue(file, out CudaModule? module))
            _modules.Add(file, module = new CudaModule(_context, file));
        CudaKernel kernel = module.Kernel(name, _numbered.Count);
        _numbered.Add(kernel);
        _kernels.Add(name, kernel);
        return kernel;
    }
}
