using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Elementwise operations on one register of fp32. Kernels are written once over this interface; since no operation mixes lanes, and all
/// round as IEEE says, every width gives the same bits as the scalar reference.
/// </summary>
/// <typeparam name="TVector">The register.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Lanes.</summary>
    static abstract int Count { get; }

    /// <summary>Zeros.</summary>
    static abstract TVector Zero { get; }

    /// <summary>All lanes the same.</summary>
    static abstract TVector Create(float value);

    /// <summary>Reads <see cref="Count"/> numbers.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Writes <see cref="Count"/> numbers.</summary>
    static abstract void Store(float* target, TVector value);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TVector Fma(TVector a, TVector b, TVector c);

    /// <summary>a + b.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a - b.</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary>a * b.</summary>
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a / b.</summary>
    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>a > b ? a : b, thus b where a is NaN.</summary>
    static abstract TVector Greater(TVector a, TVector b);

    /// <summary>x below limit ? 0 : value, thus value where x is NaN.</summary>
    static abstract TVector ZeroBelow(TVector x, TVector limit, TVector value);

    /// <summary>The largest lane; NaN lanes are passed over where another lane is a number.</summary>
    static abstract float Largest(TVector value);

    /// <summary>Magnitudes.</summary>
    static abstract TVector Abs(TVector value);

    /// <summary>Magnitudes of one, signs of the other.</summary>
    static abstract TVector CopySign(TVector magnitude, TVector sign);

    /// <summary>2^n of a number 1.5 * 2^23 + n whose low bits hold n.</summary>
    static abstract TVector PowerOfTwo(TVector shifted);

    /// <summary>Lane i stays where low &lt;= first + i &lt; high, and becomes the filler elsewhere.</summary>
    static abstract TVector KeepRange(TVector value, int first, int low, int high, float filler);

    /// <summary>Lower halves of <see cref="Count"/> pairs of halves, times 2^-112.</summary>
    static abstract TVector WidenLower(uint* pairs);

    /// <summary>Upper halves of <see cref="Count"/> pairs of halves, times 2^-112.</summary>
    static abstract TVector WidenUpper(uint* pairs);

    /// <summary><see cref="Count"/> halves that follow each other, times 2^-112.</summary>
    static abstract TVector Widen(ushort* source);

    /// <summary>Lower of <see cref="Count"/> pairs of BF16.</summary>
    static abstract TVector BrainLower(uint* pairs);

    /// <summary>Upper of <see cref="Count"/> pairs of BF16.</summary>
    static abstract TVector BrainUpper(uint* pairs);

    /// <summary><see cref="Count"/> BF16 that follow each other.</summary>
    static abstract TVector Brain(ushort* source);

    /// <summary>Reads <see cref="Count"/> bytes into the lower end of a register.</summary>
    static abstract Vector128<byte> LoadBytes(byte* source);

    /// <summary>The lower <see cref="Count"/> signed bytes as numbers.</summary>
    static abstract TVector FromBytes(Vector128<sbyte> bytes);

    /// <summary>Halves nearest to the numbers in the lower 16 bits of each lane; see <see cref="HalfBits.Narrow"/>.</summary>
    static abstract TVector Narrow(TVector value);

    /// <summary>Writes the lower 16 bits of each lane behind each other.</summary>
    static abstract void StoreHalves(ushort* target, TVector halves);
}
