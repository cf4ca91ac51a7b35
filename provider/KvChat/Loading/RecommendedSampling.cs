using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Sampling;

namespace KvChat.Loading;

/// <summary>What a GGUF file recommends for drawing tokens, in its <c>general.sampling.*</c> fields.</summary>
internal static class RecommendedSampling
{
    /// <summary>The file's recommendation; where it has none, the default, which is greedy.</summary>
    /// <exception cref="Runtime.Models.ModelFileException">A field is out of its range.</exception>
    public static SamplingOptions Read(GgufMetadata metadata)
    {
        var sampling = new SamplingOptions();
        bool narrows = false;
        if (metadata.TryGetInt32("general.sampling.top_k", out int topK))
            (sampling, narrows) = (sampling with { TopK = Math.Max(0, topK) }, true);
        if (metadata.TryGetSingle("general.sampling.top_p", out float topP))
            (sampling, narrows) = (sampling with { TopP = topP }, true);
        if (metadata.TryGetSingle("general.sampling.min_p", out float minP))
            (sampling, narrows) = (sampling with { MinP = minP }, true);
        if (metadata.TryGetSingle("general.sampling.penalty_repeat", out float repetition))
            sampling = sampling with { RepetitionPenalty = repetition };
        if (metadata.TryGetSingle("general.sampling.temp", out float temperature))
            sampling = sampling with { Temperature = temperature };
        else if (narrows)
            sampling = sampling with { Temperature = 1 };
        try
        {
            sampling.Validate();
        }
        catch (ArgumentException error)
        {
            throw new Runtime.Models.ModelFileException("general.sampling", null, $"recommends what cannot be: {error.Message}", null, error);
        }

        return sampling;
    }
}
