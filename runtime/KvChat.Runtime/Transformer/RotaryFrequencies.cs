namespace KvChat.Runtime.Transformer;

/// <summary>Rotary frequencies and their published scalings to longer contexts.</summary>
public static class RotaryFrequencies
{
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
}
