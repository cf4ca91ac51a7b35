using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>Finishes 16 sums of a row: bias, gate, scale, residual. All widths give the same bits.</summary>
internal static unsafe class Epilogue<TSimd, TInt, TFloat>
    where TSimd : struct, ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    private const float Log2E = 1.44269504f;

    // ln 2 in two parts, the first with so few bits that its product with an exponent is exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary><c>output = scale * (sums + bias)</c>, or added to it; 16 numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Store(float* sums, float* bias, float scale, bool add, float* output)
    {
        TFloat factor = TSimd.Floats(scale);
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            TFloat y = WithBias(sums, bias, lane);
            TSimd.Store(output + lane, add ? TSimd.Fma(y, factor, TSimd.Load(output + lane)) : TSimd.Multiply(y, factor));
        }
    }

    /// <summary><c>output = f(gate + gateBias) * (up + upBias)</c>; 16 numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gate(float* gate, float* gateBias, float* up, float* upBias, bool gelu, float* output)
    {
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            TFloat g = WithBias(gate, gateBias, lane);
            TFloat u = WithBias(up, upBias, lane);
            TFloat e = Exp(gelu ? GeluExponent(g) : TSimd.Multiply(g, TSimd.Floats(-1)));
            TSimd.Store(output + lane, TSimd.Multiply(TSimd.Divide(g, TSimd.Add(TSimd.Floats(1), e)), u));
        }
    }

    /// <summary><c>x = cap * tanh(x / cap)</c>; 16 numbers. With e = exp(2 x / cap), tanh(x / cap) is 1 - 2 / (1 + e).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Cap(float* x, float cap)
    {
        TFloat factor = TSimd.Floats(2 / cap), whole = TSimd.Floats(cap), minusTwice = TSimd.Floats(-2 * cap);
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            TFloat e = Exp(TSimd.Multiply(TSimd.Load(x + lane), factor));
            TSimd.Store(x + lane, TSimd.Add(whole, TSimd.Divide(minusTwice, TSimd.Add(TSimd.Floats(1), e))));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat WithBias(float* sums, float* bias, int lane) =>
        bias == null ? TSimd.Load(sums + lane) : TSimd.Add(TSimd.Load(sums + lane), TSimd.Load(bias + lane));

    // x (1 + tanh u) / 2 = x / (1 + exp(-2u)) with u = sqrt(2 / pi) (x + 0.044715 x^3).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat GeluExponent(TFloat x)
    {
        TFloat cubic = TSimd.Multiply(TSimd.Multiply(x, x), TSimd.Floats(0.044715f));
        return TSimd.Multiply(TSimd.Fma(cubic, x, x), TSimd.Floats(-1.5957691f));
    }

    // exp(x) = 2^n exp(r), |r| <= ln 2 / 2: the Taylor series to r^7 is short of it by less than 1e-8 of its value.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat Exp(TFloat x)
    {
        x = TSimd.AtLeast(TSimd.AtMost(x, TSimd.Floats(88f)), TSimd.Floats(-87f));
        TInt n = TSimd.RoundToInt(TSimd.Multiply(x, TSimd.Floats(Log2E)));
        TFloat whole = TSimd.ToFloat(n);
        TFloat r = TSimd.Fma(whole, TSimd.Floats(-Ln2Low), TSimd.Fma(whole, TSimd.Floats(-Ln2High), x));
        TFloat p = TSimd.Floats(1f / 5040);
        p = TSimd.Fma(p, r, TSimd.Floats(1f / 720));
        p = TSimd.Fma(p, r, TSimd.Floats(1f / 120));
        p = TSimd.Fma(p, r, TSimd.Floats(1f / 24));
        p = TSimd.Fma(p, r, TSimd.Floats(1f / 6));
        p = TSimd.Fma(p, r, TSimd.Floats(0.5f));
        p = TSimd.Fma(p, r, TSimd.Floats(1f));
        p = TSimd.Fma(p, r, TSimd.Floats(1f));
        return TSimd.Multiply(p, TSimd.AsFloat(TSimd.ShiftLeft(TSimd.Add32(n, TSimd.Ints(127)), 23)));
    }
}
