using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models.HuggingFace;

/// <summary>
/// Reads rotary tables from <c>config.json</c>: from <c>rope_parameters</c>, which newer files have, or from <c>rope_theta</c>, <c>rope_local_base_freq</c> and
/// <c>rope_scaling</c> of older ones.
/// </summary>
internal static class HuggingFaceRotary
{
    private const int MaxContext = 1 << 24;

    private const double LeastBase = 1.001, MostBase = 1e12, MostFactor = 1e6, Least = 1e-3;

    /// <summary>The table of layers that see everything, and behind it that of layers with a window where the family has two.</summary>
    public static RotaryConfiguration[] Read(ModelFamily family, JsonFields fields, int headDim, int context)
    {
        JsonFields? parameters = fields.Optional("rope_parameters");
        if (family.LocalRotaryBase is not { } localBase)
            return [One(family, fields, parameters, headDim, context)];
        JsonFields? full = parameters?.Optional("full_attention"), local = parameters?.Optional("sliding_attention");
        RotaryConfiguration plain = One(family, fields, full ?? parameters, headDim, context);
        double theta = local?.Number("rope_theta", localBase, LeastBase, MostBase) ?? fields.Number("rope_local_base_freq", localBase, LeastBase, MostBase);
        return
        [
            plain,
            new RotaryConfiguration { Dimensions = plain.Dimensions, Base = theta, Scaling = local is null ? RotaryScaling.None : Scaling(fields, local, plain.Dimensions, context) },
        ];
    }

    private static RotaryConfiguration One(ModelFamily family, JsonFields fields, JsonFields? parameters, int headDim, int context)
    {
        double theta = fields.Number("rope_theta", family.RotaryBase, LeastBase, MostBase), share = fields.Number("partial_rotary_factor", 1, 0.01, 1);
        JsonFields? scaling = parameters ?? fields.Optional("rope_scaling");
        var dimensions = (int)(headDim * (scaling?.Number("partial_rotary_factor", share, 0.01, 1) ?? share));
        if (dimensions < 2 || dimensions % 2 != 0)
            throw fields.Error("partial_rotary_factor", $"leaves {dimensions} of {headDim} coordinates to rotate; their number must be even and at least 2.");
        return new RotaryConfiguration
        {
            Dimensions = dimensions,
            Base = scaling?.Number("rope_theta", theta, LeastBase, MostBase) ?? theta,
            Scaling = scaling is null ? RotaryScaling.None : Scaling(fields, scaling, dimensions, context),
        };
    }

    private static RotaryScaling Scaling(JsonFields fields, JsonFields scaling, int dimensions, int context)
    {
        string field = scaling.Has("rope_type") ? "rope_type" : "type", kind = scaling.Text(field) ?? "default";
        double Factor() => scaling.Number("factor", null, Least, MostFactor);
        return kind switch
        {
            "default" => RotaryScaling.None,
            "linear" => new RotaryScaling.LinearScaling(Factor()),
            "llama3" => Llama3(scaling, Factor()),
            "yarn" => Yarn(scaling, Factor(), Original(fields, scaling, context)),
            "longrope" or "su" => LongRope(fields, scaling, dimensions / 2, context),
            _ => throw scaling.Error(field, $"is '{ModelFileException.Printable(kind)}'; known are: default, linear, llama3, yarn, longrope."),
        };
    }

    private static int Original(JsonFields fields, JsonFields scaling, int fallback) =>
        scaling.Int32("original_max_position_embeddings", fields.Int32("original_max_position_embeddings", fallback, 1, MaxContext), 1, MaxContext);

    private static RotaryScaling.Llama3Scaling Llama3(JsonFields scaling, double factor)
    {
        double low = scaling.Number("low_freq_factor", null, Least, MostFactor), high = scaling.Number("high_freq_factor", null, Least, MostFactor);
        if (high <= low)
            throw scaling.Error("high_freq_factor", $"is {high}; it must be greater than low_freq_factor {low}.");
        return new(factor, low, high, scaling.Int32("original_max_position_embeddings", null, 1, MaxContext));
    }

    private static RotaryScaling.YarnScaling Yarn(JsonFields scaling, double factor, int original)
    {
        // Two multiples of the logarithm, where both are given, count as their quotient (DeepSeek's variant).
        double scale = scaling.Number("mscale", 0, 0, MostFactor), all = scaling.Number("mscale_all_dim", 0, 0, MostFactor);
        double usual = scale > 0 && all > 0 ? RotaryFrequencies.YarnMagnitude(factor, scale) / RotaryFrequencies.YarnMagnitude(factor, all) : RotaryFrequencies.YarnMagnitude(factor);
        return new(factor, original)
        {
            BetaFast = scaling.Number("beta_fast", 32, Least, MostFactor),
            BetaSlow = scaling.Number("beta_slow", 1, Least, MostFactor),
            Magnitude = scaling.Number("attention_factor", usual, Least, 1e3),
            Truncates = scaling.Flag("truncate", true),
        };
    }

    private static RotaryScaling.LongRopeScaling LongRope(JsonFields fields, JsonFields scaling, int pairs, int context)
    {
        int original = Original(fields, scaling, context);
        // How far the context was stretched; a factor in the file counts only where nothing says what it was stretched from.
        bool isSaid = fields.Has("original_max_position_embeddings") || scaling.Has("original_max_position_embeddings");
        double stretched = isSaid ? context : context * scaling.Number("factor", 1, Least, MostFactor);
        return new(Divisors(scaling, "short_factor", pairs), Divisors(scaling, "long_factor", pairs), original)
        {
            Magnitude = scaling.Number("attention_factor", RotaryFrequencies.LongRopeMagnitude(stretched, original), Least, 1e3),
        };
    }

    private static float[] Divisors(JsonFields scaling, string name, int pairs)
    {
        float[] divisors = scaling.Floats(name, 1e-6f, 1e9f) ?? throw scaling.Error(name, $"is missing; it must be a list of {pairs} numbers.");
        return divisors.Length == pairs ? divisors : throw scaling.Error(name, $"has {divisors.Length} numbers; there are {pairs} rotary pairs.");
    }
}
