using System.Runtime.Intrinsics;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>Everything that the back end does with panels of one format at one vector width, as function pointers: chosen once, at load.</summary>
internal sealed unsafe class PanelKernels
{
    /// <summary>What the tiles want as activations.</summary>
    public required ActivationForm Form { get; init; }

    /// <summary>Tile of one activation row: panel, columns, activations, results <c>[1, 16]</c>.</summary>
    public required delegate*<byte*, int, byte*, float*, void> Tile1 { get; init; }

    /// <summary>Tile of 4.</summary>
    public required delegate*<byte*, int, byte*, float*, void> Tile4 { get; init; }

    /// <summary>Tile of 8.</summary>
    public required delegate*<byte*, int, byte*, float*, void> Tile8 { get; init; }

    /// <summary>Decodes a row of a panel: panel, columns, row, fp32 numbers.</summary>
    public required delegate*<byte*, int, int, float*, void> DecodeRow { get; init; }

    /// <summary>Packs one row of the file into a zeroed panel: source, panel, columns, row.</summary>
    public required delegate*<byte*, byte*, int, int, void> PackRow { get; init; }

    /// <summary>Bytes of a panel of that many columns.</summary>
    public required delegate*<int, long> PanelBytes { get; init; }

    /// <summary>The kernels of a format.</summary>
    /// <param name="format">Format of the file.</param>
    /// <param name="width">Vector width, 0 for the scalar reference.</param>
    /// <param name="float32">Whether activations stay in fp32.</param>
    public static PanelKernels Of(WeightFormat format, int width, bool float32) => format switch
    {
        WeightFormat.F32 => Float<SingleWeights>(width),
        WeightFormat.F16 => Float<HalfWeights>(width),
        WeightFormat.BF16 => Float<BFloat16Weights>(width),
        WeightFormat.Q4_0 => Quantized<Panel<FourBitCodes, HalfScales, FileQ4_0>>(width, float32),
        WeightFormat.Q4_1 => Quantized<Panel<FourBitCodes, HalfScalesAndMinima, FileQ4_1>>(width, float32),
        WeightFormat.Q5_0 => Quantized<Panel<FiveBitCodes, HalfScales, FileQ5_0>>(width, float32),
        WeightFormat.Q5_1 => Quantized<Panel<FiveBitCodes, HalfScalesAndMinima, FileQ5_1>>(width, float32),
        WeightFormat.Q8_0 => Quantized<Panel<ByteCodes, HalfScales, FileQ8_0>>(width, float32),
        WeightFormat.IQ4_NL => Quantized<Panel<StepCodes, HalfScales, FileIQ4_NL>>(width, float32),
        WeightFormat.Q2_K => Quantized<Panel<TwoBitCodes, ByteScalesAndMinima<Yes>, FileQ2_K>>(width, float32),
        WeightFormat.Q3_K => Quantized<Panel<FourBitCodes, SignedByteScales<Yes>, FileQ3_K>>(width, float32),
        WeightFormat.Q4_K => Quantized<Panel<FourBitCodes, ByteScalesAndMinima<No>, FileQ4_K>>(width, float32),
        WeightFormat.Q5_K => Quantized<Panel<FiveBitCodes, ByteScalesAndMinima<No>, FileQ5_K>>(width, float32),
        WeightFormat.Q6_K => Quantized<Panel<SixBitCodes, SignedByteScales<Yes>, FileQ6_K>>(width, float32),
        WeightFormat.IQ4_XS => Quantized<Panel<StepCodes, SignedByteScales<No>, FileIQ4_XS>>(width, float32),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Not a weight format."),
    };

    private static PanelKernels Quantized<TPanel>(int width, bool float32)
        where TPanel : struct, IPanelFormat
    {
        return (width, float32) switch
        {
            (512, false) => Integer<Simd512, Vector512<int>, Vector512<float>, TPanel>(),
            (256, false) => Integer<Simd256, Vector256<int>, Vector256<float>, TPanel>(),
            (128, false) => Integer<Simd128, Vector128<int>, Vector128<float>, TPanel>(),
            (512, true) => Dequantized<Simd512, Vector512<int>, Vector512<float>, TPanel>(),
            (256, true) => Dequantized<Simd256, Vector256<int>, Vector256<float>, TPanel>(),
            (128, true) => Dequantized<Simd128, Vector128<int>, Vector128<float>, TPanel>(),
            (_, true) => Make<TPanel>(ActivationForm.Float, &ScalarTile<TPanel>.Float1, &ScalarTile<TPanel>.Float4, &ScalarTile<TPanel>.Float8),
            _ => Make<TPanel>(FormOf<TPanel>(), &ScalarTile<TPanel>.Tile1, &ScalarTile<TPanel>.Tile4, &ScalarTile<TPanel>.Tile8),
        };
    }

    private static ActivationForm FormOf<TPanel>()
        where TPanel : struct, IPanelFormat => TPanel.Signed ? ActivationForm.Words : TPanel.Halves ? ActivationForm.ByteHalves : ActivationForm.Bytes;

    private static PanelKernels Integer<TSimd, TInt, TFloat, TPanel>()
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
        where TPanel : struct, IPanelFormat => TPanel.Signed
        ? Make<TPanel>(
            ActivationForm.Words,
            &WordTile<TSimd, TInt, TFloat, TPanel>.Tile1, &WordTile<TSimd, TInt, TFloat, TPanel>.Tile4, &WordTile<TSimd, TInt, TFloat, TPanel>.Tile8)
        : Make<TPanel>(
            FormOf<TPanel>(),
            &ByteTile<TSimd, TInt, TFloat, TPanel>.Tile1, &ByteTile<TSimd, TInt, TFloat, TPanel>.Tile4, &ByteTile<TSimd, TInt, TFloat, TPanel>.Tile8);

    private static PanelKernels Dequantized<TSimd, TInt, TFloat, TPanel>()
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
        where TPanel : struct, IPanelFormat => Make<TPanel>(
            ActivationForm.Float,
            &DequantizedTile<TSimd, TInt, TFloat, TPanel>.Tile1,
            &DequantizedTile<TSimd, TInt, TFloat, TPanel>.Tile4,
            &DequantizedTile<TSimd, TInt, TFloat, TPanel>.Tile8);

    private static PanelKernels Float<TWeights>(int width)
        where TWeights : struct, IFloatCodes => width switch
        {
            512 => Float<Simd512, Vector512<int>, Vector512<float>, TWeights>(),
            256 => Float<Simd256, Vector256<int>, Vector256<float>, TWeights>(),
            128 => Float<Simd128, Vector128<int>, Vector128<float>, TWeights>(),
            _ => MakeFloat<TWeights>(&ScalarFloatTile<TWeights>.Tile1, &ScalarFloatTile<TWeights>.Tile4, &ScalarFloatTile<TWeights>.Tile8),
        };

    private static PanelKernels Float<TSimd, TInt, TFloat, TWeights>()
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
        where TWeights : struct, IFloatCodes => MakeFloat<TWeights>(
            &FloatTile<TSimd, TInt, TFloat, TWeights>.Tile1,
            &FloatTile<TSimd, TInt, TFloat, TWeights>.Tile4,
            &FloatTile<TSimd, TInt, TFloat, TWeights>.Tile8);

    private static PanelKernels Make<TPanel>(
        ActivationForm form,
        delegate*<byte*, int, byte*, float*, void> tile1, delegate*<byte*, int, byte*, float*, void> tile4, delegate*<byte*, int, byte*, float*, void> tile8)
        where TPanel : struct, IPanelFormat => new()
        {
            Form = form,
            Tile1 = tile1,
            Tile4 = tile4,
            Tile8 = tile8,
            DecodeRow = &ScalarTile<TPanel>.DecodeRow,
            PackRow = &PanelPacking<TPanel>.PackRow,
            PanelBytes = &PanelPacking<TPanel>.PanelBytes,
        };

    private static PanelKernels MakeFloat<TWeights>(
        delegate*<byte*, int, byte*, float*, void> tile1, delegate*<byte*, int, byte*, float*, void> tile4, delegate*<byte*, int, byte*, float*, void> tile8)
        where TWeights : struct, IFloatCodes => new()
        {
            Form = ActivationForm.Float,
            Tile1 = tile1,
            Tile4 = tile4,
            Tile8 = tile8,
            DecodeRow = &ScalarFloatTile<TWeights>.DecodeRow,
            PackRow = &FloatPacking<TWeights>.PackRow,
            PanelBytes = &FloatPacking<TWeights>.PanelBytes,
        };
}
