namespace KvChat.Kernels.Cpu;

/// <summary>
/// The vector operations that kernels are written in, once for all widths. Every lane is one weight row, so lanes never meet and all
/// widths compute the same bits.
/// </summary>
/// <typeparam name="TInt">A vector of 32-bit integers, also seen as bytes or 16-bit integers.</typeparam>
/// <typeparam name="TFloat">A vector of as many 32-bit floats.</typeparam>
internal unsafe interface ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    /// <summary>32-bit lanes.</summary>
    static abstract int Lanes { get; }

    static abstract TInt LoadInt(void* source);

    static abstract void StoreInt(int* target, TInt value);

    /// <summary>The four bytes at <paramref name="source"/> in every lane.</summary>
    static abstract TInt BroadcastInt(void* source);

    /// <summary>The byte in every byte.</summary>
    static abstract TInt Bytes(byte value);

    /// <summary>The number in every lane.</summary>
    static abstract TInt Ints(int value);

    static abstract TInt And(TInt left, TInt right);

    static abstract TInt Or(TInt left, TInt right);

    /// <summary>Logical shift of 32-bit lanes.</summary>
    static abstract TInt ShiftRight(TInt value, int count);

    /// <summary>Shift of 32-bit lanes.</summary>
    static abstract TInt ShiftLeft(TInt value, int count);

    /// <summary>Arithmetic shift of 32-bit lanes.</summary>
    static abstract TInt ShiftRightSigned(TInt value, int count);

    /// <summary>Shift of 16-bit lanes.</summary>
    static abstract TInt ShiftLeft16(TInt value, int count);

    /// <summary>Arithmetic shift of 16-bit lanes.</summary>
    static abstract TInt ShiftRightSigned16(TInt value, int count);

    /// <summary>Looks each byte, 0 to 15, up in the 16 bytes of <paramref name="table"/>.</summary>
    static abstract TInt LookUp(sbyte* table, TInt codes);

    /// <summary>
    /// Dot products of unsigned bytes up to 15 with 32 signed bytes, four broadcast for each vector. 16 bits hold all sums of pairs: 8 * 2 * 15 * 127 = 30480.
    /// </summary>
    static abstract TInt Dot8(TInt w0, TInt w1, TInt w2, TInt w3, TInt w4, TInt w5, TInt w6, TInt w7, byte* codes);

    /// <summary>The same with unsigned bytes up to 31 and 16 signed bytes: 4 * 2 * 31 * 127 = 31496.</summary>
    static abstract TInt Dot4(TInt w0, TInt w1, TInt w2, TInt w3, byte* codes);

    /// <summary>The same with unsigned bytes up to 63: 2 * 2 * 63 * 127 = 32004, so half of the sums are widened at a time.</summary>
    static abstract TInt Dot4Wide(TInt w0, TInt w1, TInt w2, TInt w3, byte* codes);

    /// <summary><paramref name="sum"/> and dot products of signed 16-bit numbers with 16 of them, two broadcast for each vector.</summary>
    static abstract TInt DotWords(TInt w0, TInt w1, TInt w2, TInt w3, TInt w4, TInt w5, TInt w6, TInt w7, byte* words, TInt sum);

    static abstract TInt Add32(TInt left, TInt right);

    static abstract TInt Max32(TInt left, TInt right);

    static abstract int MaxAcross(TInt value);

    static abstract int SumAcross(TInt value);

    /// <summary>Stores the low byte of every lane; values are -128 to 127.</summary>
    static abstract void StoreAsBytes(sbyte* target, TInt value);

    /// <summary>Stores lanes as 16-bit numbers from column <paramref name="column"/> of a block on, in <see cref="WordOrder"/>.</summary>
    static abstract void StoreAsWords(short* block, int column, TInt value);

    static abstract TFloat ToFloat(TInt value);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract TInt RoundToInt(TFloat value);

    static abstract TFloat AsFloat(TInt bits);

    static abstract TInt AsInt(TFloat value);

    static abstract TFloat Load(float* source);

    static abstract void Store(float* target, TFloat value);

    static abstract TFloat Broadcast(float* source);

    static abstract TFloat Floats(float value);

    /// <summary>Widens halves; exact for all finite ones.</summary>
    static abstract TFloat LoadHalf(void* source);

    static abstract TFloat LoadBFloat16(void* source);

    static abstract TFloat LoadBytes(byte* source);

    static abstract TFloat LoadSBytes(byte* source);

    static abstract TFloat Add(TFloat left, TFloat right);

    static abstract TFloat Multiply(TFloat left, TFloat right);

    static abstract TFloat Divide(TFloat left, TFloat right);

    /// <summary><c>left * right + addend</c>, rounded once.</summary>
    static abstract TFloat Fma(TFloat left, TFloat right, TFloat addend);

    /// <summary><c>product * (scale * *factor) + sum</c>, the last two rounded once.</summary>
    static abstract TFloat Accumulate(TInt product, TFloat scale, float* factor, TFloat sum);

    /// <summary><c>left * *right + addend</c>, rounded once.</summary>
    static abstract TFloat Fma(TFloat left, float* right, TFloat addend);

    /// <summary><c>value &gt; limit ? limit : value</c>: NaN stays.</summary>
    static abstract TFloat AtMost(TFloat value, TFloat limit);

    /// <summary><c>value &lt; limit ? limit : value</c>: NaN stays.</summary>
    static abstract TFloat AtLeast(TFloat value, TFloat limit);
}
