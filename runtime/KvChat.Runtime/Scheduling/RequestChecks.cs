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
        CheckFormats(request.Compression, scheduler);
        int prompt = request.Prompt.Length, room = scheduler.ContextTokens - prompt;
        int output = request.MaxOutputTokens ?? Math.Max(1, room);
        if (output > room)
        {
            throw new KvCapacityException(
                $"The prompt has {prompt} tokens and the answer may have {output}; tokens of context", (long)prompt + output, scheduler.ContextTokens,
                "Shorten the prompt, lower MaxOutputTokens, or use a model with a longer context.");
        }

        long Pages(int tokens) => scheduler.Needs.Whole(request, tokens);
        if (Pages(output) <= scheduler.TotalPages)
            return output;
        if (request.MaxOutputTokens is null && Pages(1) <= scheduler.TotalPages)
            return Largest(output, tokens => Pages(tokens) <= scheduler.TotalPages);
        long needed = Pages(request.MaxOutputTokens ?? 1) * scheduler.BytesPerPage, available = (long)scheduler.TotalPages * scheduler.BytesPerPage;
        throw new KvCapacityException(
            $"A prompt of {prompt} tokens with an answer of up to {request.MaxOutputTokens ?? 1}; bytes of KV cache", needed, available,
            "Raise CacheBytes, retain less (RetainedRatio), compress while reading (Schedule = WhileReading), or lower MaxOutputTokens.");
    }

    internal static void CheckFormats(KvCompression compression, Scheduler scheduler)
    {
        Runtime.Check.Field(compression.MinQuality is null, nameof(KvCompression), nameof(KvCompression.MinQuality), compression.MinQuality,
            "null: an engine knows no measurements; a chat client puts what its model's table says in its place");
        CheckFormat(compression.Format, nameof(KvCompression.Format), scheduler);
        if (compression.LowFormat is { } low)
            CheckFormat(low, nameof(KvCompression.LowFormat), scheduler);
    }

    private static void CheckFormat(KvFormat format, string field, Scheduler scheduler) => Runtime.Check.Field(
        scheduler.Supports(format), nameof(KvCompression), field, format, $"one that the back end has: {string.Join(", ", Enum.GetValues<KvFormat>().Where(scheduler.Supports))}");

    /// <summary>Checks what a request starts from.</summary>
    /// <param name="request">The request.</param>
    /// <param name="engine">The engine that is asked.</param>
    /// <param name="mayEqual">Whether the prompt may be no longer than its start.</param>
    /// <exception cref="ArgumentException">The prompt does not begin with it, or it does not fit the engine or the format.</exception>
    /// <exception cref="ObjectDisposedException">Its handle has been disposed.</exception>
    public static void CheckStart(GenerationRequest request, InferenceEngine engine, bool mayEqual)
    {
        if (request.Start is not { } start)
            return;
        const string type = nameof(GenerationRequest), field = nameof(GenerationRequest.Start);
        ObjectDisposedException.ThrowIf(start.IsDisposed, start);
        Runtime.Check.Field(start.Engine == engine, type, field, "another engine's", "prepared by this engine");
        int length = start.Tokens.Length, equal = start.Tokens.Span.CommonPrefixLength(request.Prompt.Span);
        Runtime.Check.Field(equal == length, type, field, $"a sequence of {length} tokens of which the prompt has the first {equal}", "what the prompt begins with");
        Runtime.Check.Field(
            request.Prompt.Length > length || (mayEqual && !start.IsCompressed), type, nameof(GenerationRequest.Prompt), $"{request.Prompt.Length} tokens long",
            $"longer than the {length} tokens that it starts from");
        Runtime.Check.Field(
            !start.IsCompressed || start.Compression.Format == request.Compression.Format, type, "Compression.Format", request.Compression.Format,
            $"{start.Compression.Format}, as in the compressed sequence that the request starts from");
    }

    /// <summary>Checks that a text can be read; it has no answer.</summary>
    /// <returns>0, the tokens of the answer.</returns>
    /// <exception cref="KvCapacityException">It does not fit, even alone.</exception>
    public static int CheckPreparation(GenerationRequest request, Scheduler scheduler)
    {
        CheckFormats(request.Compression, scheduler);
        int prompt = request.Prompt.Length;
        if (prompt > scheduler.ContextTokens)
            throw new KvCapacityException($"The text has {prompt} tokens; tokens of context", prompt, scheduler.ContextTokens, "Shorten it, or use a model with a longer context.");
        long needed = scheduler.Needs.Prompt(request);
        if (needed <= scheduler.TotalPages)
            return 0;
        throw new KvCapacityException(
            $"Reading a text of {prompt} tokens; bytes of KV cache", needed * scheduler.BytesPerPage, (long)scheduler.TotalPages * scheduler.BytesPerPage,
            "Raise CacheBytes, or compress while reading (Schedule = WhileReading) with a lower RetainedRatio.");
    }

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
