using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>
/// Normalises rows of activations and brings them into the form that tiles read, see <see cref="ActivationShape"/>. All widths give the same bits: sums of
/// squares run in 16 chains, column k in chain k % 16, that are then added in halves.
/// </summary>
internal static unsafe class ActivationPacker<TSimd, TInt, TFloat>
    where TSimd : struct, ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    private const int Chains = 16;
    private const int Infinity = 0x7F800000;

    // Below this the factor 127 / maximum nears the end of the float range, and a block is taken for zero. 2^-100.
    private const float Smallest = 7.888609e-31f;

    /// <summary>Writes <c>x / sqrt(mean(x^2) + epsilon) * weights</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(float* input, float* weights, float epsilon, int columns, float* output)
    {
        float factor = 1f / MathF.Sqrt((SumOfSquares(input, columns) / columns) + epsilon);
        TFloat factors = TSimd.Floats(factor);
        int k = 0;
        for (; k <= columns - TSimd.Lanes; k += TSimd.Lanes)
        {
            TSimd.Store(output + k, TSimd.Multiply(TSimd.Multiply(TSimd.Load(input + k), factors), TSimd.Load(weights + k)));
        }

        for (; k < columns; k++)
        {
            output[k] = input[k] * factor * weights[k];
        }
    }

    /// <summary>Writes a row as column <paramref name="column"/> of a tile <paramref name="width"/> columns wide.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* input, int columns, ActivationForm form, byte* tile, int width, int column)
    {
        if (form == ActivationForm.Float)
        {
            for (int k = 0; k < columns; k++)
            {
                ((float*)tile)[(k * width) + column] = input[k];
            }

            return;
        }

        int blockBytes = ActivationShape.RowBytes(form, PanelShape.Block) * width;
        for (int k = 0; k < columns; k += PanelShape.Block, tile += blockBytes)
        {
            PackBlock(input + k, form, tile, width, column);
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfSquares(float* input, int columns)
    {
        float* chains = stackalloc float[Chains];
        int whole = columns / Chains * Chains;
        for (int lane = 0; lane < Chains; lane += TSimd.Lanes)
        {
            TFloat sum = TSimd.Floats(0);
            for (int k = lane; k < whole; k += Chains)
            {
                TFloat x = TSimd.Load(input + k);
                sum = TSimd.Fma(x, x, sum);
            }

            TSimd.Store(chains + lane, sum);
        }

        for (int k = whole; k < columns; k++)
        {
            chains[k - whole] = MathF.FusedMultiplyAdd(input[k], input[k], chains[k - whole]);
        }

        for (int half = Chains / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                chains[i] += chains[i + half];
            }
        }

        return chains[0];
    }

    // Codes are x * 127 / max|x|, rounded to the nearest, ties to even. A block with infinity or NaN gets the scale NaN, which makes NaN of all
    // results of its row and no others.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackBlock(float* input, ActivationForm form, byte* block, int width, int column)
    {
        int bits = LargestMagnitude(input);
        float maximum = BitConverter.Int32BitsToSingle(bits);
        bool plain = bits < Infinity && maximum >= Smallest;
        float scale = plain ? maximum / 127f : bits < Infinity ? 0 : float.NaN;
        TFloat factor = TSimd.Floats(plain ? 127f / maximum : 0);
        if (form == ActivationForm.Words)
        {
            PackWords(input, (short*)(block + (64 * column)), factor, plain);
            ((float*)(block + (64 * width)))[column] = scale;
            return;
        }

        sbyte* codes = (sbyte*)block + (32 * column);
        int first = PackHalf(input, codes, factor, plain);
        int second = PackHalf(input + 16, codes + 16, factor, plain);
        float* factors = (float*)(block + (32 * width)) + column;
        factors[0] = scale;
        if (form == ActivationForm.Bytes)
        {
            StoreSums(factors + width, width, scale, first + second);
        }
        else
        {
            StoreSums(factors + width, width, scale, first);
            StoreSums(factors + (3 * width), width, scale, second);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSums(float* target, int width, float scale, int sum)
    {
        target[0] = scale * sum;
        ((int*)target)[width] = -8 * sum;
    }

    // Without their signs, floats are in the order of their bits, and NaN is above infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int LargestMagnitude(float* input)
    {
        TInt magnitudes = TSimd.Ints(0);
        for (int k = 0; k < PanelShape.Block; k += TSimd.Lanes)
        {
            magnitudes = TSimd.Max32(magnitudes, TSimd.And(TSimd.AsInt(TSimd.Load(input + k)), TSimd.Ints(int.MaxValue)));
        }

        return TSimd.MaxAcross(magnitudes);
    }

    // Where a block is not plain its codes are zeros, whatever NaN would round to.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TInt Code(float* input, TFloat factor, bool plain) =>
        plain ? TSimd.RoundToInt(TSimd.Multiply(TSimd.Load(input), factor)) : TSimd.Ints(0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PackHalf(float* input, sbyte* codes, TFloat factor, bool plain)
    {
        TInt sum = TSimd.Ints(0);
        for (int k = 0; k < 16; k += TSimd.Lanes)
        {
            TInt code = Code(input + k, factor, plain);
            TSimd.StoreAsBytes(codes + k, code);
            sum = TSimd.Add32(sum, code);
        }

        return TSimd.SumAcross(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackWords(float* input, short* words, TFloat factor, bool plain)
    {
        for (int k = 0; k < PanelShape.Block; k += TSimd.Lanes)
        {
            TSimd.StoreAsWords(words, k, Code(input + k, factor, plain));
        }
    }
}
