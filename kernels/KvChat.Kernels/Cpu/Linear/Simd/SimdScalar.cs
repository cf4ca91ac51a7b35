namespace KvChat.Kernels.Cpu;

/// <summary>One lane, in plain arithmetic: the meaning of every operation.</summary>
internal readonly unsafe struct SimdScalar : ISimd<int, float>
{
    public static int Lanes => 1;

    public static int LoadInt(void* source) => *(int*)source;

    public static void StoreInt(int* target, int value) => *target = value;

    public static int BroadcastInt(void* source) => *(int*)source;

    public static int Bytes(byte value) => value * 0x01010101;

    public static int Ints(int value) => value;

    public static int And(int left, int right) => left & right;

    public static int Or(int left, int right) => left | right;

    public static int ShiftRight(int value, int count) => value >>> count;

    public static int ShiftLeft(int value, int count) => value << count;

    public static int ShiftRightSigned(int value, int count) => value >> count;

    public static int ShiftLeft16(int value, int count) => Pack(Low(value) << count, High(value) << count);

    public static int ShiftRightSigned16(int value, int count) => Pack(Low(value) >> count, High(value) >> count);

    public static int LookUp(sbyte* table, int codes)
    {
        int found = 0;
        for (int shift = 0; shift < 32; shift += 8)
        {
            found |= (byte)table[(codes >> shift) & 15] << shift;
        }

        return found;
    }

    public static int Dot8(int w0, int w1, int w2, int w3, int w4, int w5, int w6, int w7, byte* codes) =>
        Dot4(w0, w1, w2, w3, codes) + Dot4(w4, w5, w6, w7, codes + 16);

    public static int Dot4(int w0, int w1, int w2, int w3, byte* codes) =>
        Dot(w0, codes) + Dot(w1, codes + 4) + Dot(w2, codes + 8) + Dot(w3, codes + 12);

    public static int Dot4Wide(int w0, int w1, int w2, int w3, byte* codes) => Dot4(w0, w1, w2, w3, codes);

    public static int DotWords(int w0, int w1, int w2, int w3, int w4, int w5, int w6, int w7, byte* words, int sum)
    {
        int* pairs = (int*)words;
        sum += DotPair(w0, pairs[0]) + DotPair(w1, pairs[1]) + DotPair(w2, pairs[2]) + DotPair(w3, pairs[3]);
        return sum + DotPair(w4, pairs[4]) + DotPair(w5, pairs[5]) + DotPair(w6, pairs[6]) + DotPair(w7, pairs[7]);
    }

    public static int Add32(int left, int right) => left + right;

    public static int Max32(int left, int right) => Math.Max(left, right);

    public static int MaxAcross(int value) => value;

    public static int SumAcross(int value) => value;

    public static void StoreAsBytes(sbyte* target, int value) => *target = (sbyte)value;

    public static void StoreAsWords(short* block, int column, int value) => block[WordOrder.Of(column)] = (short)value;

    public static float ToFloat(int value) => value;

    public static int RoundToInt(float value) => (int)MathF.Round(value, MidpointRounding.ToEven);

    public static float AsFloat(int bits) => BitConverter.Int32BitsToSingle(bits);

    public static int AsInt(float value) => BitConverter.SingleToInt32Bits(value);

    public static float Load(float* source) => *source;

    public static void Store(float* target, float value) => *target = value;

    public static float Broadcast(float* source) => *source;

    public static float Floats(float value) => value;

    public static float LoadHalf(void* source) => (float)BitConverter.UInt16BitsToHalf(*(ushort*)source);

    public static float LoadBFloat16(void* source) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)source << 16);

    public static float LoadBytes(byte* source) => *source;

    public static float LoadSBytes(byte* source) => *(sbyte*)source;

    public static float Add(float left, float right) => left + right;

    public static float Multiply(float left, float right) => left * right;

    public static float Divide(float left, float right) => left / right;

    public static float Fma(float left, float right, float addend) => MathF.FusedMultiplyAdd(left, right, addend);

    public static float Accumulate(int product, float scale, float* factor, float sum) => MathF.FusedMultiplyAdd(product, scale * *factor, sum);

    public static float Fma(float left, float* right, float addend) => MathF.FusedMultiplyAdd(left, *right, addend);

    public static float AtMost(float value, float limit) => value > limit ? limit : value;

    public static float AtLeast(float value, float limit) => value < limit ? limit : value;

    private static int Low(int value) => (short)value;

    private static int High(int value) => value >> 16;

    private static int Pack(int low, int high) => (ushort)low | (high << 16);

    private static int DotPair(int left, int right) => (Low(left) * Low(right)) + (High(left) * High(right));

    private static int Dot(int unsigned, byte* signed)
    {
        int sum = 0;
        for (int i = 0; i < 4; i++)
        {
            sum += (byte)(unsigned >> (8 * i)) * (sbyte)signed[i];
        }

        return sum;
    }
}
