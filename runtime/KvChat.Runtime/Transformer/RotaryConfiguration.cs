namespace KvChat.Runtime.Transformer;

/// <summary>One table of rotary angles.</summary>
public sealed record RotaryConfiguration
{
    /// <summary>Leading coordinates of a head that are rotated; even. The first half is paired with the second.</summary>
    public required int Dimensions { get; init; }

    /// <summary>The base theta.</summary>
    public required double Base { get; init; }

    /// <summary>How the angles are stretched for longer contexts.</summary>
    public RotaryScaling Scaling { get; init; } = RotaryScaling.None;
}

/// <summary>How rotary angles are stretched for contexts longer than those first trained on. One case per published method.</summary>
public abstract record RotaryScaling
{
    private RotaryScaling()
    {
    }

    /// <summary>No scaling.</summary>
    public static RotaryScaling None { get; } = new LinearScaling(1);

    /// <summary>Every frequency divided by one factor (arXiv 2306.15595).</summary>
    /// <param name="Factor">At least 1 as a rule; positive.</param>
    public sealed record LinearScaling(double Factor) : RotaryScaling;

    /// <summary>The scaling of Llama 3.1: see <see cref="RotaryFrequencies.Llama3Divisors"/>.</summary>
    /// <param name="Factor">Divisor of long waves.</param>
    /// <param name="LowFactor"><c>low_freq_factor</c>.</param>
    /// <param name="HighFactor"><c>high_freq_factor</c>.</param>
    /// <param name="OriginalContext">Context first trained on.</param>
    public sealed record Llama3Scaling(double Factor, double LowFactor, double HighFactor, int OriginalContext) : RotaryScaling;

    /// <summary>One divisor per pair, as GGUF files list them in <c>rope_freqs.weight</c>.</summary>
    /// <param name="Divisors">Positive and finite, <c>[dimensions / 2]</c>.</param>
    /// <param name="Factor">A further divisor of all.</param>
    public sealed record DivisorScaling(IReadOnlyList<float> Divisors, double Factor = 1) : RotaryScaling;

    /// <summary>YaRN (arXiv 2309.00071): short waves stay, long ones are divided, and a ramp lies between.</summary>
    /// <param name="Factor">Divisor of long waves.</param>
    /// <param name="OriginalContext">Context first trained on.</param>
    public sealed record YarnScaling(double Factor, int OriginalContext) : RotaryScaling
    {
        /// <summary>Turns within the original context above which a wave counts as short.</summary>
        public double BetaFast { get; init; } = 32;

        /// <summary>Turns within the original context below which a wave counts as long.</summary>
        public double BetaSlow { get; init; } = 1;

        /// <summary>What cosine and sine are multiplied with; null for <see cref="RotaryFrequencies.YarnMagnitude"/> of the factor.</summary>
        public double? Magnitude { get; init; }

        /// <summary>Whether the ends of the ramp are rounded outwards to whole pairs, as most implementations do.</summary>
        public bool Truncates { get; init; } = true;
    }

    /// <summary>
    /// LongRoPE (arXiv 2402.13753): one list of divisors for sequences up to the original context, another for longer ones. A sequence that grows past it is
    /// read again with the other, because keys and everything computed from them differ.
    /// </summary>
    /// <param name="ShortDivisors"><c>[dimensions / 2]</c>.</param>
    /// <param name="LongDivisors"><c>[dimensions / 2]</c>.</param>
    /// <param name="OriginalContext">Longest sequence, in tokens, that takes the short ones.</param>
    public sealed record LongRopeScaling(IReadOnlyList<float> ShortDivisors, IReadOnlyList<float> LongDivisors, int OriginalContext) : RotaryScaling
    {
        /// <summary>What cosine and sine are multiplied with, under both lists; see <see cref="RotaryFrequencies.LongRopeMagnitude"/>.</summary>
        public double Magnitude { get; init; } = 1;
    }
}
