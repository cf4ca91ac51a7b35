using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>A part's weights in host memory: the file's own, or generated ones for as long as this lives.</summary>
internal sealed unsafe class HostWeights : IDisposable
{
    private const int FillBytes = 1 << 30;

    private readonly NativeBuffer? _made;

    public HostWeights(in MatrixData part)
    {
        Data = part;
        if (part.Generated is not { } generated)
            return;
        long bytes = WeightFormats.RowBytes(part.Format, part.Columns) * part.Rows;
        int block = WeightFormats.BlockBytes(part.Format), most = FillBytes / block * block;
        _made = new NativeBuffer(bytes);
        for (long at = 0; at < bytes; at += most)
            (generated with { FirstBlock = generated.FirstBlock + (at / block) }).Fill(part.Format, new Span<byte>(_made.Data + at, (int)Math.Min(most, bytes - at)));
        Data = new MatrixData(part.Format, part.Rows, part.Columns, _made.Data);
    }

    /// <summary>The part, with <see cref="MatrixData.Data"/>.</summary>
    public MatrixData Data { get; }

    /// <inheritdoc/>
    public void Dispose() => _made?.Dispose();
}
