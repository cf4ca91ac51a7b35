using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Exponential and soft cap over registers of any width; <see cref="ScalarMath"/> takes the same steps one number at a time.</summary>
internal static class VectorMath<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>e^x for x &lt;= 0, within 2 ulp; 0 below <see cref="ScalarMath.Smallest"/>; NaN of NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp(TVector x)
    {
        TVector magic = TSimd.Create(ScalarMath.Magic);
        TVector shifted = TSimd.Fma(x, TSimd.Create(ScalarMath.Log2E), magic);
        TVector n = TSimd.Subtract(shifted, magic);
        TVector r = TSimd.Fma(n, TSimd.Create(-ScalarMath.Ln2High), x);
        r = TSimd.Fma(n, TSimd.Create(-ScalarMath.Ln2Low), r);
        TVector y = TSimd.Fma(TSimd.Create(ScalarMath.C6), r, TSimd.Create(ScalarMath.C5));
        y = TSimd.Fma(y, r, TSimd.Create(ScalarMath.C4));
        y = TSimd.Fma(y, r, TSimd.Create(ScalarMath.C3));
        y = TSimd.Fma(y, r, TSimd.Create(ScalarMath.C2));
        y = TSimd.Fma(y, r, TSimd.Create(1f));
        y = TSimd.Fma(y, r, TSimd.Create(1f));
        return TSimd.ZeroBelow(x, TSimd.Create(ScalarMath.Smallest), TSimd.Multiply(y, TSimd.PowerOfTwo(shifted)));
    }

    /// <summary>cap * tanh(x / cap).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Cap(TVector x, TVector cap)
    {
        TVector y = TSimd.Divide(x, cap);
        TVector t = Exp(TSimd.Multiply(TSimd.Create(-2f), TSimd.Abs(y)));
        TVector one = TSimd.Create(1f);
        TVector tanh = TSimd.Divide(TSimd.Subtract(one, t), TSimd.Add(one, t));
        return TSimd.Multiply(cap, TSimd.CopySign(tanh, y));
    }
}
