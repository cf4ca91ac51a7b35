using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Models;

/// <summary>What a model's files recommend for drawing tokens; where they recommend nothing, the default, which is greedy.</summary>
internal static class RecommendedSampling
{
    /// <summary>The <c>general.sampling.*</c> fields of a GGUF file.</summary>
    /// <exception cref="ModelFileException">A field is out of its range.</exception>
    public static SamplingOptions Of(GgufMetadata metadata) => Checked("general.sampling", null, Combine(
        metadata.TryGetSingle("general.sampling.temp", out float temperature) ? temperature : null,
        metadata.TryGetInt32("general.sampling.top_k", out int topK) ? topK : null,
        metadata.TryGetSingle("general.sampling.top_p", out float topP) ? topP : null,
        metadata.TryGetSingle("general.sampling.min_p", out float minP) ? minP : null,
        metadata.TryGetSingle("general.sampling.penalty_repeat", out float repetition) ? repetition : null));

    /// <summary>The fields of <c>generation_config.json</c>; its <c>do_sample</c> false or missing says greedy.</summary>
    /// <exception cref="ModelFileException">A field is out of its range.</exception>
    public static SamplingOptions Of(JsonFields fields, string file)
    {
        float? Number(string name) => fields.Has(name) ? (float)fields.Number(name, null, -1e9, 1e9) : null;
        float? repetition = Number("repetition_penalty");
        return Checked("generation_config", file, fields.Flag("do_sample", false)
            ? Combine(Number("temperature") ?? 1, fields.Has("top_k") ? fields.Int32("top_k", null, int.MinValue, int.MaxValue) : null, Number("top_p"), Number("min_p"), repetition)
            : Combine(null, null, null, null, repetition));
    }

    private static SamplingOptions Combine(float? temperature, int? topK, float? topP, float? minP, float? repetition)
    {
        var usual = new SamplingOptions();
        bool narrows = topK is not null || topP is not null || minP is not null;
        return usual with
        {
            Temperature = temperature ?? (narrows ? 1 : usual.Temperature),
            TopK = topK is { } k ? Math.Max(0, k) : usual.TopK,
            TopP = topP ?? usual.TopP,
            MinP = minP ?? usual.MinP,
            RepetitionPenalty = repetition ?? usual.RepetitionPenalty,
        };
    }

    private static SamplingOptions Checked(string field, string? file, SamplingOptions sampling)
    {
        try
        {
            sampling.Validate();
            return sampling;
        }
        catch (ArgumentException error)
        {
            throw new ModelFileException(field, null, $"recommends what cannot be: {error.Message}", file, error);
        }
    }
}
