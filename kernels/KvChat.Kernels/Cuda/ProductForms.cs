using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cuda;

/// <summary>The kernels that multiply rows with weights, and what a launch of them needs. All give the same bits for a format (<c>products.h</c>).</summary>
internal sealed class ProductForms
{
    private static readonly Dictionary<WeightFormat, ProductForms> All = WeightFormats.All.ToArray().ToDictionary(format => format, format => new ProductForms(format));

    private ProductForms(WeightFormat format)
    {
        string name = WeightFormats.Name(format);
        int columns = format switch
        {
            WeightFormat.F32 or WeightFormat.F16 or WeightFormat.BF16 => 64,
            WeightFormat.Q8_0 => 128,
            _ => 256,
        };
        int stride = Stride(format, (int)WeightFormats.RowBytes(format, columns));
        Few = new("kv_multiply_8_" + name, 16, 8, 256, 8 * ((2 * 16 * stride) + (2 * 16 * 8 * sizeof(float))));
        Some = new("kv_multiply_32_" + name, 32, 32, 128, 4 * ((2 * 32 * stride) + (2 * 32 * 32 * sizeof(float))));
        Many = new("kv_multiply_many_" + name, 128, 64, 256, 2 * ((64 * 64 * 4) + (64 * 16) + (128 * stride)));
        Plain = "kv_linear_" + name;
        Expert = "kv_multiply_expert_" + name;
    }

    /// <summary>For up to 8 rows: the warps of a block share the columns.</summary>
    public Form Few { get; }

    /// <summary>For up to 32 rows, and for more where the outputs are too few for <see cref="Many"/> to keep the device busy.</summary>
    public Form Some { get; }

    /// <summary>For many rows.</summary>
    public Form Many { get; }

    /// <summary>In singles; of F32, F16 and BF16.</summary>
    public string Plain { get; }

    /// <summary>As <see cref="Few"/>, a row a block, with the weights of an expert that the device has chosen; not of F32 and BF16.</summary>
    public string Expert { get; }

    /// <summary>The forms of a format.</summary>
    public static ProductForms Of(WeightFormat format) => All[format];

    /// <summary>Whether weights go to tensor cores. It hangs on the matrix alone: singles do not, nor rows that are no whole number of 16 columns.</summary>
    public static bool TakesTensorCores(WeightFormat format, int columns) => format != WeightFormat.F32 && columns % 16 == 0;

    /// <summary>Entry names by format.</summary>
    public static Dictionary<WeightFormat, string> Names(string prefix) =>
        WeightFormats.All.ToArray().ToDictionary(format => format, format => prefix + WeightFormats.Name(format));

    // Bytes between the chunks of two outputs in shared memory: ChunkShape of products.h.
    private static int Stride(WeightFormat format, int bytes)
    {
        bool aligned = format is WeightFormat.F16 or WeightFormat.BF16 or WeightFormat.Q4_K or WeightFormat.Q5_K;
        int pieces = (bytes + (bytes % 16 == 0 ? 0 : 14) + 15) / 16;
        return ((pieces + (bytes % 16 == 0 && !aligned ? 1 : 0)) | 1) * 16;
    }

    /// <summary>A kernel: outputs and rows, threads and bytes of shared memory of a block.</summary>
    internal readonly record struct Form(string Kernel, int Outputs, int Rows, int Threads, int SharedBytes);
}
