using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Chooses scale, zero and codes for the numbers of one key or value. The same for all vector widths: always eight numbers at a time, added in one order.</summary>
internal static unsafe class CodeFit
{
    /// <summary>Whole numbers of <see cref="KvCodec.NormalLevels"/> in a standard deviation.</summary>
    public const float LevelsPerDeviation = 127 / 2.7326f;

    // Sizes of levels that are tried, in parts of the one that suits a normal distribution: 0.76, 0.84 ... 1.24.
    private const int LevelSizes = 7;
    private const float LeastSize = 9.5f, SizeStep = 0.08f;

    // Ranges of values that are tried, in parts of the one that holds them all: 1, 0.92 ... 0.6.
    private const int Ranges = 6, WidestRange = 25;
    private const float RangeStep = 0.04f;

    /// <summary>Codes 0..levels for <c>scale * (code - offset) + zero</c>, from the smallest number to the largest.</summary>
    public static void Quantize(float* x, int count, int levels, int offset, int* codes, out ushort scale, out ushort zero)
    {
        (float least, float most) = Ends(x, count);
        scale = HalfAtLeast((most - least) / levels);
        zero = HalfBits.Narrow(least + (offset * HalfBits.Widen(scale)));
        Round(x, count, scale, zero, offset, levels, codes);
    }

    /// <summary>Codes 0..levels for <c>scale * code + zero</c>: of six ranges, the widest of which holds every number, the one whose codes with the line that fits them best come nearest.</summary>
    public static void QuantizeFitted(float* x, int count, int levels, int* codes, out ushort scale, out ushort zero)
    {
        (float least, float most) = Ends(x, count);
        float middle = (least + most) * 0.5f, half = (most - least) * 0.5f, slope = 2 * half / levels, start = -half, best = -1;
        for (int range = 0; range < Ranges; range++)
        {
            (float itsSlope, float itsStart, float gain) = FitLine(x, count, middle, half * ((WidestRange - (2 * range)) * RangeStep), levels);
            if (gain > best)
                (slope, start, best) = (itsSlope, itsStart, gain);
        }

        scale = HalfBits.Narrow(slope);
        zero = HalfBits.Narrow(middle + start);
        Round(x, count, scale, zero, 0, levels, codes);
    }

    // Least squares of the numbers, less their middle, over their codes in a range of so much to either side; the gain is what the line takes off the squared error.
    private static (float Slope, float Start, float Gain) FitLine(float* x, int count, float middle, float reach, int levels)
    {
        float inverse = levels / (2 * reach);
        Vector256<float> m = Vector256.Create(middle), r = Vector256.Create(inverse), o = Vector256.Create((reach * inverse) + 0.5f), most = Vector256.Create((float)levels);
        Vector256<float> numbers = Vector256<float>.Zero, codes = Vector256<float>.Zero, squares = Vector256<float>.Zero, products = Vector256<float>.Zero;
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> number = Vector256.Load(x + i) - m, code = Vector256.ConvertToSingle(Vector256.ConvertToInt32(Within((number * r) + o, most)));
            numbers += number;
            codes += code;
            squares += code * code;
            products += number * code;
        }

        float numberSum = Sum(numbers), codeSum = Sum(codes), productSum = Sum(products);
        float slope = ((productSum * count) - (codeSum * numberSum)) / ((Sum(squares) * count) - (codeSum * codeSum)), start = (numberSum - (slope * codeSum)) / count;
        return (slope, start, (slope * productSum) + (start * numberSum));
    }

    private static (float Least, float Most) Ends(float* x, int count)
    {
        Vector256<float> low = Vector256.Create(float.PositiveInfinity), high = Vector256.Create(float.NegativeInfinity);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> v = Vector256.Load(x + i);
            low = Vector256.ConditionalSelect(Vector256.LessThan(v, low), v, low);
            high = Vector256.ConditionalSelect(Vector256.GreaterThan(v, high), v, high);
        }

        float least = float.PositiveInfinity, most = float.NegativeInfinity;
        for (int i = 0; i < Vector256<float>.Count; i++)
        {
            least = low[i] < least ? low[i] : least;
            most = high[i] > most ? high[i] : most;
        }

        return (Math.Clamp(least, -65504f, 65504f) + 0f, Math.Clamp(most, -65504f, 65504f) + 0f);
    }

    // Codes for a scale and a zero as they are stored.
    private static void Round(float* x, int count, ushort scale, ushort zero, int offset, int levels, int* codes)
    {
        float step = HalfBits.Widen(scale), inverse = step > 0 ? 1 / step : 0;
        Vector256<float> s = Vector256.Create(HalfBits.Widen(zero)), r = Vector256.Create(inverse), o = Vector256.Create(offset + 0.5f), most = Vector256.Create((float)levels);
        for (int i = 0; i < count; i += Vector256<float>.Count)
            Vector256.ConvertToInt32(Within(((Vector256.Load(x + i) - s) * r) + o, most)).Store(codes + i);
    }

    // From 0 to the most; what is no number is 0.
    private static Vector256<float> Within(Vector256<float> t, Vector256<float> most)
    {
        t = Vector256.ConditionalSelect(Vector256.GreaterThan(t, Vector256<float>.Zero), t, Vector256<float>.Zero);
        return Vector256.ConditionalSelect(Vector256.GreaterThan(t, most), most, t);
    }

    /// <summary>Nearest levels of a normal distribution, for the one of seven sizes about the vector's own that comes nearest to it; returns the scale that fits these levels best.</summary>
    public static ushort PickLevels(float* x, int count, int* codes)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        for (int i = 0; i < count; i += Vector256<float>.Count)
            sum += Vector256.Load(x + i) * Vector256.Load(x + i);
        float squares = Sum(sum), own = squares > 0 ? LevelsPerDeviation / MathF.Sqrt(squares / count) : 0, chosen = 0, scale = 0, best = -1;
        for (int size = 0; size < LevelSizes; size++)
        {
            float factor = own * ((LeastSize + size) * SizeStep);
            (float product, float norm) = Project(x, count, factor);
            float gain = product * (product / norm); // what these levels take off the squared error
            if (gain <= best)
                continue;
            (best, chosen, scale) = (gain, factor, product / norm);
        }

        CodeLevels(x, count, chosen, codes);
        return HalfBits.Narrow(scale);
    }

    // Products of the numbers with the levels nearest to them, and of the levels with themselves; the latter is a whole number below 2^24.
    private static (float Product, float Norm) Project(float* x, int count, float factor)
    {
        Vector256<float> product = Vector256<float>.Zero, norm = Vector256<float>.Zero, sign = Vector256.Create(-0f);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> number = Vector256.Load(x + i), scaled = number * factor, magnitude = Vector256.Abs(scaled), level = Vector256.Create(6f);
            level += Vector256.Create(12f) & Vector256.GreaterThan(magnitude, Vector256.Create(12f));
            level += Vector256.Create(13f) & Vector256.GreaterThan(magnitude, Vector256.Create(24.5f));
            level += Vector256.Create(13f) & Vector256.GreaterThan(magnitude, Vector256.Create(37.5f));
            level += Vector256.Create(14f) & Vector256.GreaterThan(magnitude, Vector256.Create(51f));
            level += Vector256.Create(17f) & Vector256.GreaterThan(magnitude, Vector256.Create(66.5f));
            level += Vector256.Create(21f) & Vector256.GreaterThan(magnitude, Vector256.Create(85.5f));
            level += Vector256.Create(31f) & Vector256.GreaterThan(magnitude, Vector256.Create(111.5f));
            product += number * (level | (scaled & sign));
            norm += level * level;
        }

        return (Sum(product), Sum(norm));
    }

    // Codes of the levels that Project takes.
    private static void CodeLevels(float* x, int count, float factor, int* codes)
    {
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> scaled = Vector256.Load(x + i) * factor, magnitude = Vector256.Abs(scaled);
            Vector256<int> level = -(Vector256.GreaterThan(magnitude, Vector256.Create(12f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(24.5f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(37.5f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(51f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(66.5f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(85.5f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(111.5f)).AsInt32());
            Vector256<int> below = Vector256.LessThan(scaled, Vector256<float>.Zero).AsInt32();
            ((level ^ below) + Vector256.Create(8)).Store(codes + i); // ~level = -1 - level below zero
        }
    }

    // One order of additions for all processors.
    private static float Sum(Vector256<float> v) => (v[0] + v[1] + (v[2] + v[3])) + (v[4] + v[5] + (v[6] + v[7]));

    private static ushort HalfAtLeast(float value)
    {
        ushort half = HalfBits.Narrow(value);
        return HalfBits.Widen(half) < value && half < 0x7BFF ? (ushort)(half + 1) : half;
    }
}
