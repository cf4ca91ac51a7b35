using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu;

/// <summary>8 lanes: AVX2 and FMA, with the VEX form of VNNI where a machine has it: the same integers in fewer steps.</summary>
internal readonly unsafe struct Simd256 : ISimd<Vector256<int>, Vector256<float>>
{
    /// <summary>2^112: brings a half's exponent, shifted into place, to that of a float; subnormal halves come out right too.</summary>
    private const float HalfToFloat = 5.192296858534828e33f;

    public static int Lanes => Vector256<int>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LoadInt(void* source) => Vector256.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt(int* target, Vector256<int> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> BroadcastInt(void* source) => Vector256.Create(*(int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Bytes(byte value) => Vector256.Create(value).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Ints(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> And(Vector256<int> left, Vector256<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Or(Vector256<int> left, Vector256<int> right) => left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRight(Vector256<int> value, int count) => value >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft(Vector256<int> value, int count) => value << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRightSigned(Vector256<int> value, int count) => value >> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft16(Vector256<int> value, int count) => (value.AsInt16() << count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRightSigned16(Vector256<int> value, int count) => (value.AsInt16() >> count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> LookUp(sbyte* table, Vector256<int> codes) => Avx2.Shuffle(Avx2.BroadcastVector128ToVector256((int*)table).AsByte(), codes.AsByte()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot8(
        Vector256<int> w0, Vector256<int> w1, Vector256<int> w2, Vector256<int> w3, Vector256<int> w4, Vector256<int> w5, Vector256<int> w6, Vector256<int> w7, byte* codes)
    {
        if (AvxVnni.IsSupported)
        {
            Vector256<int> exact = AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, w0.AsByte(), Vector256.Create(((int*)codes)[0]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w1.AsByte(), Vector256.Create(((int*)codes)[1]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w2.AsByte(), Vector256.Create(((int*)codes)[2]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w3.AsByte(), Vector256.Create(((int*)codes)[3]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w4.AsByte(), Vector256.Create(((int*)codes)[4]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w5.AsByte(), Vector256.Create(((int*)codes)[5]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w6.AsByte(), Vector256.Create(((int*)codes)[6]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w7.AsByte(), Vector256.Create(((int*)codes)[7]).AsSByte());
            return exact;
        }

        Vector256<short> sum = (Avx2.MultiplyAddAdjacent(w0.AsByte(), Vector256.Create(((int*)codes)[0]).AsSByte()) + Avx2.MultiplyAddAdjacent(w1.AsByte(), Vector256.Create(((int*)codes)[1]).AsSByte()))
            + (Avx2.MultiplyAddAdjacent(w2.AsByte(), Vector256.Create(((int*)codes)[2]).AsSByte()) + Avx2.MultiplyAddAdjacent(w3.AsByte(), Vector256.Create(((int*)codes)[3]).AsSByte()));
        sum += (Avx2.MultiplyAddAdjacent(w4.AsByte(), Vector256.Create(((int*)codes)[4]).AsSByte()) + Avx2.MultiplyAddAdjacent(w5.AsByte(), Vector256.Create(((int*)codes)[5]).AsSByte()))
            + (Avx2.MultiplyAddAdjacent(w6.AsByte(), Vector256.Create(((int*)codes)[6]).AsSByte()) + Avx2.MultiplyAddAdjacent(w7.AsByte(), Vector256.Create(((int*)codes)[7]).AsSByte()));
        return Avx2.MultiplyAddAdjacent(sum, Vector256<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot4(Vector256<int> w0, Vector256<int> w1, Vector256<int> w2, Vector256<int> w3, byte* codes)
    {
        if (AvxVnni.IsSupported)
        {
            Vector256<int> exact = AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, w0.AsByte(), Vector256.Create(((int*)codes)[0]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w1.AsByte(), Vector256.Create(((int*)codes)[1]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w2.AsByte(), Vector256.Create(((int*)codes)[2]).AsSByte());
            exact = AvxVnni.MultiplyWideningAndAdd(exact, w3.AsByte(), Vector256.Create(((int*)codes)[3]).AsSByte());
            return exact;
        }

        Vector256<short> sum = (Avx2.MultiplyAddAdjacent(w0.AsByte(), Vector256.Create(((int*)codes)[0]).AsSByte()) + Avx2.MultiplyAddAdjacent(w1.AsByte(), Vector256.Create(((int*)codes)[1]).AsSByte()))
            + (Avx2.MultiplyAddAdjacent(w2.AsByte(), Vector256.Create(((int*)codes)[2]).AsSByte()) + Avx2.MultiplyAddAdjacent(w3.AsByte(), Vector256.Create(((int*)codes)[3]).AsSByte()));
        return Avx2.MultiplyAddAdjacent(sum, Vector256<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot4Wide(Vector256<int> w0, Vector256<int> w1, Vector256<int> w2, Vector256<int> w3, byte* codes)
    {
        if (AvxVnni.IsSupported)
            return Dot4(w0, w1, w2, w3, codes);
        Vector256<short> first = Avx2.MultiplyAddAdjacent(w0.AsByte(), Vector256.Create(((int*)codes)[0]).AsSByte()) + Avx2.MultiplyAddAdjacent(w1.AsByte(), Vector256.Create(((int*)codes)[1]).AsSByte());
        Vector256<short> second = Avx2.MultiplyAddAdjacent(w2.AsByte(), Vector256.Create(((int*)codes)[2]).AsSByte()) + Avx2.MultiplyAddAdjacent(w3.AsByte(), Vector256.Create(((int*)codes)[3]).AsSByte());
        return Avx2.MultiplyAddAdjacent(first, Vector256<short>.One) + Avx2.MultiplyAddAdjacent(second, Vector256<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotWords(
        Vector256<int> w0, Vector256<int> w1, Vector256<int> w2, Vector256<int> w3, Vector256<int> w4, Vector256<int> w5, Vector256<int> w6, Vector256<int> w7, byte* words, Vector256<int> sum)
    {
        if (AvxVnni.IsSupported)
        {
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w0.AsInt16(), Vector256.Create(((int*)words)[0]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w1.AsInt16(), Vector256.Create(((int*)words)[1]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w2.AsInt16(), Vector256.Create(((int*)words)[2]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w3.AsInt16(), Vector256.Create(((int*)words)[3]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w4.AsInt16(), Vector256.Create(((int*)words)[4]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w5.AsInt16(), Vector256.Create(((int*)words)[5]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w6.AsInt16(), Vector256.Create(((int*)words)[6]).AsInt16());
            sum = AvxVnni.MultiplyWideningAndAdd(sum, w7.AsInt16(), Vector256.Create(((int*)words)[7]).AsInt16());
            return sum;
        }

        sum += (Avx2.MultiplyAddAdjacent(w0.AsInt16(), Vector256.Create(((int*)words)[0]).AsInt16()) + Avx2.MultiplyAddAdjacent(w1.AsInt16(), Vector256.Create(((int*)words)[1]).AsInt16()))
            + (Avx2.MultiplyAddAdjacent(w2.AsInt16(), Vector256.Create(((int*)words)[2]).AsInt16()) + Avx2.MultiplyAddAdjacent(w3.AsInt16(), Vector256.Create(((int*)words)[3]).AsInt16()));
        return sum + ((Avx2.MultiplyAddAdjacent(w4.AsInt16(), Vector256.Create(((int*)words)[4]).AsInt16()) + Avx2.MultiplyAddAdjacent(w5.AsInt16(), Vector256.Create(((int*)words)[5]).AsInt16()))
            + (Avx2.MultiplyAddAdjacent(w6.AsInt16(), Vector256.Create(((int*)words)[6]).AsInt16()) + Avx2.MultiplyAddAdjacent(w7.AsInt16(), Vector256.Create(((int*)words)[7]).AsInt16())));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Accumulate(Vector256<int> product, Vector256<float> scale, float* factor, Vector256<float> sum) =>
        System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(Vector256.ConvertToSingle(product), scale * Vector256.Create(*factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> left, float* right, Vector256<float> addend) => System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(left, Vector256.Create(*right), addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add32(Vector256<int> left, Vector256<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Max32(Vector256<int> left, Vector256<int> right) => Vector256.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MaxAcross(Vector256<int> value) => Simd128.MaxAcross(Vector128.Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumAcross(Vector256<int> value) => Vector256.Sum(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsBytes(sbyte* target, Vector256<int> value)
    {
        Vector128<short> words = Sse2.PackSignedSaturate(value.GetLower(), value.GetUpper());
        *(long*)target = Sse2.PackSignedSaturate(words, words).AsInt64().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsWords(short* block, int column, Vector256<int> value)
    {
        Vector128<short> words = Sse2.PackSignedSaturate(value.GetLower(), value.GetUpper());
        Sse2.ShuffleHigh(Sse2.ShuffleLow(words, WordOrder.Shuffle), WordOrder.Shuffle).Store(block + column);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<int> value) => Vector256.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> RoundToInt(Vector256<float> value) => Avx.ConvertToVector256Int32(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AsFloat(Vector256<int> bits) => bits.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AsInt(Vector256<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float* source) => Vector256.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Floats(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadHalf(void* source)
    {
        Vector256<int> shifted = Avx2.ConvertToVector256Int32(Vector128.Load((short*)source)) << 13;
        return (shifted & Vector256.Create(unchecked((int)0x8FFFE000))).AsSingle() * Vector256.Create(HalfToFloat);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBFloat16(void* source) => (Avx2.ConvertToVector256Int32(Vector128.Load((ushort*)source)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBytes(byte* source) => Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Vector64.Load(source).ToVector128()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadSBytes(byte* source) => Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Vector64.Load((sbyte*)source).ToVector128()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> left, Vector256<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> left, Vector256<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> left, Vector256<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> left, Vector256<float> right, Vector256<float> addend) => System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(left, right, addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AtMost(Vector256<float> value, Vector256<float> limit) => Vector256.ConditionalSelect(Vector256.GreaterThan(value, limit), limit, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AtLeast(Vector256<float> value, Vector256<float> limit) => Vector256.ConditionalSelect(Vector256.LessThan(value, limit), limit, value);
}
