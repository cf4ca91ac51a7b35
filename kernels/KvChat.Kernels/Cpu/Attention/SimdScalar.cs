using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>One number at a time: what the scalar reference runs where a kernel has no order of additions to explain.</summary>
internal readonly unsafe struct SimdScalar : ISimd<float>
{
    /// <inheritdoc/>
    public static int Count => 1;

    /// <inheritdoc/>
    public static float Zero => 0;

    /// <inheritdoc/>
    public static float Create(float value) => value;

    /// <inheritdoc/>
    public static float Load(float* source) => *source;

    /// <inheritdoc/>
    public static void Store(float* target, float value) => *target = value;

    /// <inheritdoc/>
    public static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    /// <inheritdoc/>
    public static float Add(float a, float b) => a + b;

    /// <inheritdoc/>
    public static float Subtract(float a, float b) => a - b;

    /// <inheritdoc/>
    public static float Multiply(float a, float b) => a * b;

    /// <inheritdoc/>
    public static float Divide(float a, float b) => a / b;

    /// <inheritdoc/>
    public static float Greater(float a, float b) => a > b ? a : b;

    /// <inheritdoc/>
    public static float ZeroBelow(float x, float limit, float value) => x < limit ? 0 : value;

    /// <inheritdoc/>
    public static float Largest(float value) => value;

    /// <inheritdoc/>
    public static float Abs(float value) => MathF.Abs(value);

    /// <inheritdoc/>
    public static float CopySign(float magnitude, float sign) => MathF.CopySign(magnitude, sign);

    /// <inheritdoc/>
    public static float PowerOfTwo(float shifted) => BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(shifted) << 23) + 0x3F800000);

    /// <inheritdoc/>
    public static float KeepRange(float value, int first, int low, int high, float filler) => first >= low && first < high ? value : filler;

    /// <inheritdoc/>
    public static float WidenLower(uint* pairs) => HalfBits.WidenScaled((ushort)*pairs);

    /// <inheritdoc/>
    public static float WidenUpper(uint* pairs) => HalfBits.WidenScaled((ushort)(*pairs >> 16));

    /// <inheritdoc/>
    public static float Widen(ushort* source) => HalfBits.WidenScaled(*source);

    /// <inheritdoc/>
    public static float BrainLower(uint* pairs) => BitConverter.UInt32BitsToSingle(*pairs << 16);

    /// <inheritdoc/>
    public static float BrainUpper(uint* pairs) => BitConverter.UInt32BitsToSingle(*pairs & 0xFFFF0000);

    /// <inheritdoc/>
    public static float Brain(ushort* source) => BitConverter.Int32BitsToSingle(*source << 16);

    /// <inheritdoc/>
    public static Vector128<byte> LoadBytes(byte* source) => Vector128.CreateScalarUnsafe(*source);

    /// <inheritdoc/>
    public static float FromBytes(Vector128<sbyte> bytes) => bytes.ToScalar();

    /// <inheritdoc/>
    public static float Narrow(float value) => BitConverter.Int32BitsToSingle(HalfBits.Narrow(value));

    /// <inheritdoc/>
    public static void StoreHalves(ushort* target, float halves) => *target = (ushort)BitConverter.SingleToInt32Bits(halves);
}
