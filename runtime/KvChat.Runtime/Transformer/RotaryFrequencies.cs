namespace KvChat.Runtime.Transformer;

/// <summary>Frequencies in radians per position, one per pair, and what cosine and sine are multiplied with.</summary>
/// <param name="Frequencies"><c>[dimensions / 2]</c>.</param>
/// <param name="Magnitude">1 for most models.</param>
public sealed record RotaryTable(float[] Frequencies, float Magnitude);

/// <summary>Rotary frequencies and their published scalings to longer contexts.</summary>
public static class RotaryFrequencies
{
    /// <summary>The table that a configuration asks for.</summary>
    /// <param name="rotary">Dimensions, base and scaling.</param>
    /// <param name="isLong">Whether the sequence is longer than the original context of <see cref="RotaryScaling.LongRopeScaling"/>; others make no difference.</param>
    public static RotaryTable Of(RotaryConfiguration rotary, bool isLong = false)
    {
        ArgumentNullException.ThrowIfNull(rotary);
        int dimensions = rotary.Dimensions;
        return rotary.Scaling switch
        {
            RotaryScaling.LinearScaling linear => new(Compute(dimensions, rotary.Base, linear.Factor), 1),
            RotaryScaling.DivisorScaling listed => new(Compute(dimensions, rotary.Base, listed.Factor, listed.Divisors), 1),
            RotaryScaling.Llama3Scaling llama3 => new(
                Compute(dimensions, rotary.Base, 1, Llama3Divisors(dimensions, rotary.Base, llama3.Factor, llama3.LowFactor, llama3.HighFactor, llama3.OriginalContext)), 1),
            RotaryScaling.YarnScaling yarn => new(
                Compute(dimensions, rotary.Base, 1, YarnDivisors(dimensions, rotary.Base, yarn)), (float)(yarn.Magnitude ?? YarnMagnitude(yarn.Factor))),
            RotaryScaling.LongRopeScaling both => new(
                Compute(dimensions, rotary.Base, 1, isLong ? both.LongDivisors : both.ShortDivisors), (float)both.Magnitude),
            _ => throw new ArgumentException($"There are no frequencies for {rotary.Scaling.GetType().Name}.", nameof(rotary)),
        };
    }

    /// <summary>
    /// <c>base^(-2i/dimensions)</c> (RoFormer, arXiv 2104.09864), each divided by <paramref name="factor"/> (linear position interpolation,
    /// arXiv 2306.15595) and by its own factor where a model file lists them, as files of Llama 3.1 and later do.
    /// </summary>
    /// <param name="dimensions">Coordinates of a head that are rotated; even.</param>
    /// <param name="rotaryBase">The base theta.</param>
    /// <param name="factor">Linear scaling; 1 for none.</param>
    /// <param name="divisors">One divisor per pair, or null.</param>
    public static float[] Compute(int dimensions, double rotaryBase, double factor = 1, IReadOnlyList<float>? divisors = null)
    {
        var frequencies = new float[dimensions / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = (float)(Math.Pow(rotaryBase, -2.0 * i / dimensions) / factor / (divisors?[i] ?? 1));
        return frequencies;
    }

    /// <summary>
    /// Divisors of the llama3 scaling: 1 for wavelengths shorter than the original context over <paramref name="highFactor"/>, <paramref name="factor"/> for
    /// those longer than it over <paramref name="lowFactor"/>, and a smooth passage between (Llama 3.1 model card and configuration).
    /// </summary>
    public static float[] Llama3Divisors(int dimensions, double rotaryBase, double factor, double lowFactor, double highFactor, int originalContext)
    {
        var divisors = new float[dimensions / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            double wavelength = 2 * Math.PI * Math.Pow(rotaryBase, 2.0 * i / dimensions);
            double smooth = ((originalContext / wavelength) - lowFactor) / (highFactor - lowFactor);
            smooth = Math.Clamp(smooth, 0, 1);
            divisors[i] = (float)(1 / (((1 - smooth) / factor) + smooth));
        }

        return divisors;
    }

    /// <summary>YaRN's attention factor: <c>0.1 scale ln(factor) + 1</c>, or 1 where the factor is at most 1 (arXiv 2309.00071, 3.4).</summary>
    /// <param name="factor">The scaling's factor.</param>
    /// <param name="scale">A model's own multiple of the logarithm, usually 1.</param>
    public static double YarnMagnitude(double factor, double scale = 1) => factor <= 1 ? 1 : (0.1 * scale * Math.Log(factor)) + 1;

    /// <summary>LongRoPE's attention factor: <c>sqrt(1 + ln(context / original) / ln(original))</c>, or 1 where the context is no longer (arXiv 2402.13753).</summary>
    public static double LongRopeMagnitude(double context, double originalContext) =>
        context <= originalContext || originalContext <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(context / originalContext) / Math.Log(originalContext)));

    // Pair i turns context * base^(-2i/d) / 2 pi times within the original context; solved for i where it does so beta times, those are the ramp's ends.
    private static float[] YarnDivisors(int dimensions, double rotaryBase, RotaryScaling.YarnScaling yarn)
    {
        double PairWith(double turns) => dimensions * Math.Log(yarn.OriginalContext / (turns * 2 * Math.PI)) / (2 * Math.Log(rotaryBase));
        double low = PairWith(yarn.BetaFast), high = PairWith(yarn.BetaSlow);
        if (yarn.Truncates)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, dimensions - 1);
        if (low == high)
            high += 0.001;
        var divisors = new float[dimensions / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            double stretched = Math.Clamp((i - low) / (high - low), 0, 1);
            divisors[i] = (float)(1 / ((stretched / yarn.Factor) + (1 - stretched)));
        }

        return divisors;
    }
}
