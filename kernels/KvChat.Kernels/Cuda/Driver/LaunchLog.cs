using System.Text;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>The last launches, for the message of an error: a launch that goes wrong is found out about later.</summary>
internal sealed class LaunchLog
{
    private const int Length = 4;

    private readonly (string Kernel, CudaGrid Grid, int Threads, int Shared)[] _launches = new (string, CudaGrid, int, int)[Length];
    private int _next, _count;

    /// <summary>The last launch in words.</summary>
    public string Last => _count == 0 ? string.Empty : $"The launch was of {Describe(1)}.";

    /// <summary>The last launches in words, the latest first.</summary>
    public string Recent
    {
        get
        {
            if (_count == 0)
                return "Nothing was launched before.";
            StringBuilder text = new("The last launches, latest first: ");
            for (int i = 1; i <= _count; i++)
                text.Append(i == 1 ? string.Empty : "; ").Append(Describe(i));
            return text.Append(". With WaitsForLaunches the error comes with its own launch.").ToString();
        }
    }

    /// <summary>Notes a launch.</summary>
    public void Add(string kernel, CudaGrid grid, int threads, int shared)
    {
        _launches[_next] = (kernel, grid, threads, shared);
        _next = (_next + 1) % Length;
        _count = Math.Min(_count + 1, Length);
    }

    /// <summary>Notes a product of cuBLAS.</summary>
    public void Add(in LibraryProduct product) => Add("cublasGemmEx", new CudaGrid(product.Outputs, product.Rows, product.Columns), 0, 0);

    private string Describe(int back)
    {
        (string kernel, CudaGrid grid, int threads, int shared) = _launches[(_next - back + Length) % Length];
        return threads == 0 ? $"{kernel} of {grid.Y} rows of {grid.Z} columns with {grid.X} outputs" : CudaKernel.Describe(kernel, grid, threads, shared);
    }
}
