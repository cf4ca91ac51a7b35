using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu;

/// <summary>16 lanes: AVX-512 F, BW and DQ.</summary>
internal readonly unsafe struct Simd512 : ISimd<Vector512<int>, Vector512<float>>
{
    /// <summary>2^112: brings a half's exponent, shifted into place, to that of a float; subnormal halves come out right too.</summary>
    private const float HalfToFloat = 5.192296858534828e33f;

    public static int Lanes => Vector512<int>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LoadInt(void* source) => Vector512.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt(int* target, Vector512<int> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> BroadcastInt(void* source) => Vector512.Create(*(int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Bytes(byte value) => Vector512.Create(value).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Ints(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> And(Vector512<int> left, Vector512<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Or(Vector512<int> left, Vector512<int> right) => left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRight(Vector512<int> value, int count) => value >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft(Vector512<int> value, int count) => value << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRightSigned(Vector512<int> value, int count) => value >> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft16(Vector512<int> value, int count) => (value.AsInt16() << count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRightSigned16(Vector512<int> value, int count) => (value.AsInt16() >> count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> LookUp(sbyte* table, Vector512<int> codes) => Avx512BW.Shuffle(Avx512F.BroadcastVector128ToVector512((int*)table).AsByte(), codes.AsByte()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot8(
        Vector512<int> w0, Vector512<int> w1, Vector512<int> w2, Vector512<int> w3, Vector512<int> w4, Vector512<int> w5, Vector512<int> w6, Vector512<int> w7, byte* codes)
    {
        Vector512<short> sum = (Avx512BW.MultiplyAddAdjacent(w0.AsByte(), Vector512.Create(((int*)codes)[0]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w1.AsByte(), Vector512.Create(((int*)codes)[1]).AsSByte()))
            + (Avx512BW.MultiplyAddAdjacent(w2.AsByte(), Vector512.Create(((int*)codes)[2]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w3.AsByte(), Vector512.Create(((int*)codes)[3]).AsSByte()));
        sum += (Avx512BW.MultiplyAddAdjacent(w4.AsByte(), Vector512.Create(((int*)codes)[4]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w5.AsByte(), Vector512.Create(((int*)codes)[5]).AsSByte()))
            + (Avx512BW.MultiplyAddAdjacent(w6.AsByte(), Vector512.Create(((int*)codes)[6]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w7.AsByte(), Vector512.Create(((int*)codes)[7]).AsSByte()));
        return Avx512BW.MultiplyAddAdjacent(sum, Vector512<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot4(Vector512<int> w0, Vector512<int> w1, Vector512<int> w2, Vector512<int> w3, byte* codes)
    {
        Vector512<short> sum = (Avx512BW.MultiplyAddAdjacent(w0.AsByte(), Vector512.Create(((int*)codes)[0]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w1.AsByte(), Vector512.Create(((int*)codes)[1]).AsSByte()))
            + (Avx512BW.MultiplyAddAdjacent(w2.AsByte(), Vector512.Create(((int*)codes)[2]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w3.AsByte(), Vector512.Create(((int*)codes)[3]).AsSByte()));
        return Avx512BW.MultiplyAddAdjacent(sum, Vector512<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot4Wide(Vector512<int> w0, Vector512<int> w1, Vector512<int> w2, Vector512<int> w3, byte* codes)
    {
        Vector512<short> first = Avx512BW.MultiplyAddAdjacent(w0.AsByte(), Vector512.Create(((int*)codes)[0]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w1.AsByte(), Vector512.Create(((int*)codes)[1]).AsSByte());
        Vector512<short> second = Avx512BW.MultiplyAddAdjacent(w2.AsByte(), Vector512.Create(((int*)codes)[2]).AsSByte()) + Avx512BW.MultiplyAddAdjacent(w3.AsByte(), Vector512.Create(((int*)codes)[3]).AsSByte());
        return Avx512BW.MultiplyAddAdjacent(first, Vector512<short>.One) + Avx512BW.MultiplyAddAdjacent(second, Vector512<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> DotWords(
        Vector512<int> w0, Vector512<int> w1, Vector512<int> w2, Vector512<int> w3, Vector512<int> w4, Vector512<int> w5, Vector512<int> w6, Vector512<int> w7, byte* words, Vector512<int> sum)
    {
        sum += (Avx512BW.MultiplyAddAdjacent(w0.AsInt16(), Vector512.Create(((int*)words)[0]).AsInt16()) + Avx512BW.MultiplyAddAdjacent(w1.AsInt16(), Vector512.Create(((int*)words)[1]).AsInt16()))
            + (Avx512BW.MultiplyAddAdjacent(w2.AsInt16(), Vector512.Create(((int*)words)[2]).AsInt16()) + Avx512BW.MultiplyAddAdjacent(w3.AsInt16(), Vector512.Create(((int*)words)[3]).AsInt16()));
        return sum + ((Avx512BW.MultiplyAddAdjacent(w4.AsInt16(), Vector512.Create(((int*)words)[4]).AsInt16()) + Avx512BW.MultiplyAddAdjacent(w5.AsInt16(), Vector512.Create(((int*)words)[5]).AsInt16()))
            + (Avx512BW.MultiplyAddAdjacent(w6.AsInt16(), Vector512.Create(((int*)words)[6]).AsInt16()) + Avx512BW.MultiplyAddAdjacent(w7.AsInt16(), Vector512.Create(((int*)words)[7]).AsInt16())));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Accumulate(Vector512<int> product, Vector512<float> scale, float* factor, Vector512<float> sum) =>
        Avx512F.FusedMultiplyAdd(Vector512.ConvertToSingle(product), scale * Vector512.Create(*factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> left, float* right, Vector512<float> addend) => Avx512F.FusedMultiplyAdd(left, Vector512.Create(*right), addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add32(Vector512<int> left, Vector512<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Max32(Vector512<int> left, Vector512<int> right) => Vector512.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MaxAcross(Vector512<int> value) => Simd256.MaxAcross(Vector256.Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumAcross(Vector512<int> value) => Vector512.Sum(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsBytes(sbyte* target, Vector512<int> value) => Avx512F.ConvertToVector128SByte(value).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsWords(short* block, int column, Vector512<int> value)
    {
        Vector256<short> words = Avx512F.ConvertToVector256Int16(value);
        Avx2.ShuffleHigh(Avx2.ShuffleLow(words, WordOrder.Shuffle), WordOrder.Shuffle).Store(block + column);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat(Vector512<int> value) => Vector512.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> RoundToInt(Vector512<float> value) => Avx512F.ConvertToVector512Int32(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AsFloat(Vector512<int> bits) => bits.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AsInt(Vector512<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector512<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float* source) => Vector512.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Floats(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadHalf(void* source)
    {
        Vector512<int> shifted = Avx512F.ConvertToVector512Int32(Vector256.Load((short*)source)) << 13;
        return (shifted & Vector512.Create(unchecked((int)0x8FFFE000))).AsSingle() * Vector512.Create(HalfToFloat);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBFloat16(void* source) => (Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)source)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBytes(byte* source) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadSBytes(byte* source) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> left, Vector512<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> left, Vector512<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> left, Vector512<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> left, Vector512<float> right, Vector512<float> addend) => Avx512F.FusedMultiplyAdd(left, right, addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AtMost(Vector512<float> value, Vector512<float> limit) => Vector512.ConditionalSelect(Vector512.GreaterThan(value, limit), limit, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AtLeast(Vector512<float> value, Vector512<float> limit) => Vector512.ConditionalSelect(Vector512.LessThan(value, limit), limit, value);
}
