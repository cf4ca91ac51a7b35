using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models;

/// <summary>Reads rotary tables from the metadata and tensors of a GGUF file.</summary>
internal static class GgufRotary
{
    private const int MaxContext = 1 << 24;

    /// <summary>The table of layers that see everything.</summary>
    public static RotaryConfiguration Read(GgufFile file, GgufFields fields, int dimensions) => new()
    {
        Dimensions = dimensions,
        Base = fields.Single("rope.freq_base", 10_000, 1.001f, 1e12f),
        Scaling = Scaling(file, fields, dimensions / 2),
    };

    /// <summary>The table of layers with a window in families that have two: not scaled.</summary>
    public static RotaryConfiguration ReadLocal(GgufFields fields, int dimensions, float fallbackBase) =>
        new() { Dimensions = dimensions, Base = fields.Single("rope.freq_base_swa", fallbackBase, 1.001f, 1e12f) };

    /// <summary>
    /// The kinds that files name, and those that show in tensors alone: <c>rope_freqs.weight</c> (Llama 3.1 and later) and <c>rope_factors_long.weight</c>
    /// with <c>rope_factors_short.weight</c> (Phi 3 and later).
    /// </summary>
    private static RotaryScaling Scaling(GgufFile file, GgufFields fields, int pairs)
    {
        if (file.TryGetTensor("rope_factors_long.weight", out _))
            return LongRope(file, fields, pairs);
        float factor = fields.Single("rope.scale_linear", 1, 1e-3f, 1e6f);
        string kind = fields.Text("rope.scaling.type") ?? "none";
        switch (kind)
        {
            case "none":
                break;
            case "linear":
                factor = fields.Single("rope.scaling.factor", factor, 1e-3f, 1e6f);
                break;
            case "yarn":
                return Yarn(fields);
            default:
                throw fields.Error(
                    "rope.scaling.type", $"is '{ModelFileException.Printable(kind)}'; known are: none, linear, yarn, and longrope with its tensors rope_factors_long and rope_factors_short.");
        }

        return file.TryGetTensor("rope_freqs.weight", out _)
            ? new RotaryScaling.DivisorScaling(Divisors(file, "rope_freqs.weight", pairs), factor)
            : new RotaryScaling.LinearScaling(factor);
    }

    private static RotaryScaling.YarnScaling Yarn(GgufFields fields)
    {
        float factor = fields.Single("rope.scaling.factor", null, 1e-3f, 1e6f);
        int context = fields.Required("context_length", 1, MaxContext);
        return new RotaryScaling.YarnScaling(factor, fields.Optional("rope.scaling.original_context_length", context, 1, MaxContext))
        {
            BetaFast = fields.Single("rope.scaling.yarn_beta_fast", 32, 1e-3f, 1e6f),
            BetaSlow = fields.Single("rope.scaling.yarn_beta_slow", 1, 1e-3f, 1e6f),
            Magnitude = fields.Single("rope.scaling.attn_factor", 1, 1e-3f, 1e3f) * RotaryFrequencies.YarnMagnitude(factor),
        };
    }

    private static RotaryScaling.LongRopeScaling LongRope(GgufFile file, GgufFields fields, int pairs)
    {
        int context = fields.Required("context_length", 1, MaxContext), original = fields.Required("rope.scaling.original_context_length", 1, MaxContext);
        var usual = (float)RotaryFrequencies.LongRopeMagnitude(context, original);
        return new RotaryScaling.LongRopeScaling(
            Divisors(file, "rope_factors_short.weight", pairs), Divisors(file, "rope_factors_long.weight", pairs), original)
        {
            Magnitude = fields.Single("rope.scaling.attn_factor", usual, 1e-3f, 1e3f),
        };
    }

    private static float[] Divisors(GgufFile file, string name, int pairs)
    {
        float[] divisors = new GgufWeightSource(file).Vector(name, pairs);
        foreach (float divisor in divisors)
        {
            if (!(divisor > 0) || !float.IsFinite(divisor))
                throw new ModelFileException($"tensor {name}", file.RequireTensor(name).FileOffset, $"holds {divisor}; divisors must be positive and finite.");
        }

        return divisors;
    }
}
