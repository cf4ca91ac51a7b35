using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu;

/// <summary>4 lanes: SSE 4.1 and FMA.</summary>
internal readonly unsafe struct Simd128 : ISimd<Vector128<int>, Vector128<float>>
{
    /// <summary>2^112: brings a half's exponent, shifted into place, to that of a float; subnormal halves come out right too.</summary>
    private const float HalfToFloat = 5.192296858534828e33f;

    public static int Lanes => Vector128<int>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LoadInt(void* source) => Vector128.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInt(int* target, Vector128<int> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> BroadcastInt(void* source) => Vector128.Create(*(int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Bytes(byte value) => Vector128.Create(value).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Ints(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> And(Vector128<int> left, Vector128<int> right) => left & right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Or(Vector128<int> left, Vector128<int> right) => left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftRight(Vector128<int> value, int count) => value >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftLeft(Vector128<int> value, int count) => value << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftRightSigned(Vector128<int> value, int count) => value >> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftLeft16(Vector128<int> value, int count) => (value.AsInt16() << count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftRightSigned16(Vector128<int> value, int count) => (value.AsInt16() >> count).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> LookUp(sbyte* table, Vector128<int> codes) => Ssse3.Shuffle(Vector128.Load(table).AsByte(), codes.AsByte()).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot8(
        Vector128<int> w0, Vector128<int> w1, Vector128<int> w2, Vector128<int> w3, Vector128<int> w4, Vector128<int> w5, Vector128<int> w6, Vector128<int> w7, byte* codes)
    {
        Vector128<short> sum = (Ssse3.MultiplyAddAdjacent(w0.AsByte(), Vector128.Create(((int*)codes)[0]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w1.AsByte(), Vector128.Create(((int*)codes)[1]).AsSByte()))
            + (Ssse3.MultiplyAddAdjacent(w2.AsByte(), Vector128.Create(((int*)codes)[2]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w3.AsByte(), Vector128.Create(((int*)codes)[3]).AsSByte()));
        sum += (Ssse3.MultiplyAddAdjacent(w4.AsByte(), Vector128.Create(((int*)codes)[4]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w5.AsByte(), Vector128.Create(((int*)codes)[5]).AsSByte()))
            + (Ssse3.MultiplyAddAdjacent(w6.AsByte(), Vector128.Create(((int*)codes)[6]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w7.AsByte(), Vector128.Create(((int*)codes)[7]).AsSByte()));
        return Sse2.MultiplyAddAdjacent(sum, Vector128<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot4(Vector128<int> w0, Vector128<int> w1, Vector128<int> w2, Vector128<int> w3, byte* codes)
    {
        Vector128<short> sum = (Ssse3.MultiplyAddAdjacent(w0.AsByte(), Vector128.Create(((int*)codes)[0]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w1.AsByte(), Vector128.Create(((int*)codes)[1]).AsSByte()))
            + (Ssse3.MultiplyAddAdjacent(w2.AsByte(), Vector128.Create(((int*)codes)[2]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w3.AsByte(), Vector128.Create(((int*)codes)[3]).AsSByte()));
        return Sse2.MultiplyAddAdjacent(sum, Vector128<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot4Wide(Vector128<int> w0, Vector128<int> w1, Vector128<int> w2, Vector128<int> w3, byte* codes)
    {
        Vector128<short> first = Ssse3.MultiplyAddAdjacent(w0.AsByte(), Vector128.Create(((int*)codes)[0]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w1.AsByte(), Vector128.Create(((int*)codes)[1]).AsSByte());
        Vector128<short> second = Ssse3.MultiplyAddAdjacent(w2.AsByte(), Vector128.Create(((int*)codes)[2]).AsSByte()) + Ssse3.MultiplyAddAdjacent(w3.AsByte(), Vector128.Create(((int*)codes)[3]).AsSByte());
        return Sse2.MultiplyAddAdjacent(first, Vector128<short>.One) + Sse2.MultiplyAddAdjacent(second, Vector128<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> DotWords(
        Vector128<int> w0, Vector128<int> w1, Vector128<int> w2, Vector128<int> w3, Vector128<int> w4, Vector128<int> w5, Vector128<int> w6, Vector128<int> w7, byte* words, Vector128<int> sum)
    {
        sum += (Sse2.MultiplyAddAdjacent(w0.AsInt16(), Vector128.Create(((int*)words)[0]).AsInt16()) + Sse2.MultiplyAddAdjacent(w1.AsInt16(), Vector128.Create(((int*)words)[1]).AsInt16()))
            + (Sse2.MultiplyAddAdjacent(w2.AsInt16(), Vector128.Create(((int*)words)[2]).AsInt16()) + Sse2.MultiplyAddAdjacent(w3.AsInt16(), Vector128.Create(((int*)words)[3]).AsInt16()));
        return sum + ((Sse2.MultiplyAddAdjacent(w4.AsInt16(), Vector128.Create(((int*)words)[4]).AsInt16()) + Sse2.MultiplyAddAdjacent(w5.AsInt16(), Vector128.Create(((int*)words)[5]).AsInt16()))
            + (Sse2.MultiplyAddAdjacent(w6.AsInt16(), Vector128.Create(((int*)words)[6]).AsInt16()) + Sse2.MultiplyAddAdjacent(w7.AsInt16(), Vector128.Create(((int*)words)[7]).AsInt16())));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Accumulate(Vector128<int> product, Vector128<float> scale, float* factor, Vector128<float> sum) =>
        System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(Vector128.ConvertToSingle(product), scale * Vector128.Create(*factor), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fma(Vector128<float> left, float* right, Vector128<float> addend) => System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(left, Vector128.Create(*right), addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add32(Vector128<int> left, Vector128<int> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Max32(Vector128<int> left, Vector128<int> right) => Vector128.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int MaxAcross(Vector128<int> value)
    {
        value = Vector128.Max(value, Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1)));
        return Math.Max(value.ToScalar(), value.GetElement(1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumAcross(Vector128<int> value) => Vector128.Sum(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsBytes(sbyte* target, Vector128<int> value)
    {
        Vector128<short> words = Sse2.PackSignedSaturate(value, value);
        *(int*)target = Sse2.PackSignedSaturate(words, words).AsInt32().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreAsWords(short* block, int column, Vector128<int> value)
    {
        Vector128<short> words = Sse2.PackSignedSaturate(value, value);
        *(long*)(block + column) = Sse2.ShuffleLow(words, WordOrder.Shuffle).AsInt64().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector128<int> value) => Vector128.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> RoundToInt(Vector128<float> value) => Sse2.ConvertToVector128Int32(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AsFloat(Vector128<int> bits) => bits.AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AsInt(Vector128<float> value) => value.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector128<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float* source) => Vector128.Create(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Floats(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadHalf(void* source)
    {
        Vector128<int> shifted = Sse41.ConvertToVector128Int32(Vector64.Load((short*)source).ToVector128()) << 13;
        return (shifted & Vector128.Create(unchecked((int)0x8FFFE000))).AsSingle() * Vector128.Create(HalfToFloat);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBFloat16(void* source) => (Sse41.ConvertToVector128Int32(Vector64.Load((ushort*)source).ToVector128()) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBytes(byte* source) => Vector128.ConvertToSingle(Sse41.ConvertToVector128Int32(Vector128.CreateScalar(*(int*)source).AsByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadSBytes(byte* source) => Vector128.ConvertToSingle(Sse41.ConvertToVector128Int32(Vector128.CreateScalar(*(int*)source).AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> left, Vector128<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> left, Vector128<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> left, Vector128<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fma(Vector128<float> left, Vector128<float> right, Vector128<float> addend) => System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(left, right, addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AtMost(Vector128<float> value, Vector128<float> limit) => Vector128.ConditionalSelect(Vector128.GreaterThan(value, limit), limit, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AtLeast(Vector128<float> value, Vector128<float> limit) => Vector128.ConditionalSelect(Vector128.LessThan(value, limit), limit, value);
}
