using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>Checks of a request before it is queued, so that errors reach the caller at once.</summary>
internal static class RequestChecks
{
    public static void Check(GenerationRequest request, int vocabulary)
    {
        Runtime.Check.Field(request.Prompt.Length > 0, nameof(GenerationRequest), nameof(GenerationRequest.Prompt), "empty", "at least one token long");
        foreach (int token in request.Prompt.Span)
            Runtime.Check.Field((uint)token < (uint)vocabulary, nameof(GenerationRequest), nameof(GenerationRequest.Prompt), token, $"made of token ids from 0 to {vocabulary - 1}");
        Runtime.Check.Field(
            request.MaxOutputTokens is null or >= 1, nameof(GenerationRequest), nameof(GenerationRequest.MaxOutputTokens), request.MaxOutputTokens, "1 or more, or null");
        Runtime.Check.Field(
            request.TopLogProbabilities is null or (>= 0 and <= TokenLogProbabilities.MostTop), nameof(GenerationRequest), nameof(GenerationRequest.TopLogProbabilities),
            request.TopLogProbabilities, $"from 0 to {TokenLogProbabilities.MostTop}, or null");
        foreach (PromptSpan span in request.Spans)
        {
            bool inside = span.Start >= 0 && span.Length >= 0 && span.Start <= request.Prompt.Length - span.Length;
            Runtime.Check.Field(inside, nameof(GenerationRequest), nameof(GenerationRequest.Spans), span, $"inside the prompt of {request.Prompt.Length} tokens");
        }
    }

    /// <summary>Most tokens that the answer may have: what was asked for, or what context and pool leave.</summary>
    /// <exception cref="KvCapacityException">The request cannot be served even alone.</exception>
    public static int OutputTokens(GenerationRequest request, Scheduler scheduler)
    {
        CheckFormat(request.Compression.Format, nameof(KvCompression.Format), scheduler);
        int prompt = request.Prompt.Length, room = scheduler.ContextTokens - prompt;
        int output = request.MaxOutputTokens ?? Math.Max(1, room);
        if (output > room)
        {
            throw new KvCapacityException(
                $"The prompt has {prompt} tokens and the answer may have {output}; tokens of context", (long)prompt + output, scheduler.ContextTokens,
                "Shorten the prompt, lower MaxOutputTokens, or use a model with a longer context.");
        }

        long Pages(int tokens) => scheduler.Needs.Whole(request.Compression, request.Spans, prompt, tokens);
        if (Pages(output) <= scheduler.TotalPages)
            return output;
        if (request.MaxOutputTokens is null && Pages(1) <= scheduler.TotalPages)
            return Largest(output, tokens => Pages(tokens) <= scheduler.TotalPages);
        long needed = Pages(request.MaxOutputTokens ?? 1) * scheduler.BytesPerPage, available = (long)scheduler.TotalPages * scheduler.BytesPerPage;
        throw new KvCapacityException(
            $"A prompt of {prompt} tokens with an answer of up to {request.MaxOutputTokens ?? 1}; bytes of KV cache", needed, available,
            "Raise CacheBytes, retain less (RetainedRatio), compress while reading (Schedule = WhileReading), or lower MaxOutputTokens.");
    }

    private static void CheckFormat(KvFormat format, string field, Scheduler scheduler) => Runtime.Check.Field(
        scheduler.Supports(format), nameof(KvCompression), field, format, $"one that the back end has: {string.Join(", ", Enum.GetValues<KvFormat>().Where(scheduler.Supports))}");

    private static int Largest(int below, Func<int, bool> fits)
    {
        int low = 1, high = below;
        while (high - low > 1)
        {
            int middle = low + ((high - low) / 2);
            (low, high) = fits(middle) ? (middle, high) : (low, middle);
        }

        return low;
    }
}
