namespace KvChat.Kernels.Cpu;

/// <summary>The shape of all panels.</summary>
internal static class PanelShape
{
    /// <summary>Weight rows of a panel.</summary>
    public const int Rows = 16;

    /// <summary>Weight columns of a block.</summary>
    public const int Block = 32;
}

/// <summary>
/// Bytes that one row of activations takes per block in each form. A tile of T rows holds, block after block: T times the codes, T scales d,
/// then T sums d * sum(a) as floats and T sums -8 * sum(a) as integers, these two for each half block in <see cref="ByteHalves"/>.
/// </summary>
internal static class ActivationShape
{
    public const int Bytes = 32 + (3 * 4);

    public const int ByteHalves = 32 + (5 * 4);

    public const int Words = 64 + 4;

    /// <summary>Bytes of a row in a form.</summary>
    public static int RowBytes(ActivationForm form, int columns) => form switch
    {
        ActivationForm.Float => columns * sizeof(float),
        ActivationForm.Bytes => columns / PanelShape.Block * Bytes,
        ActivationForm.ByteHalves => columns / PanelShape.Block * ByteHalves,
        _ => columns / PanelShape.Block * Words,
    };
}
