namespace KvChat.Gpu.Benchmarks;

/// <summary>What a cell's requests took.</summary>
/// <param name="Requests">How many there were.</param>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Answer">Tokens of each answer.</param>
/// <param name="Seconds">From the first request to the end of the last.</param>
/// <param name="PromptSeconds">What reading a prompt alone takes, up to the first token of its answer.</param>
/// <param name="TokenSeconds">What a decoded token takes in the largest batch.</param>
/// <param name="LargestBatch">Most sequences that decoded in one step.</param>
internal sealed record EngineTimes(int Requests, int Prompt, int Answer, double Seconds, double PromptSeconds, double TokenSeconds, int LargestBatch)
{
    /// <summary>Seconds of decoding: all but what the prompts would take alone. Compression behind prompts counts as decoding.</summary>
    public double DecodeSeconds => Seconds - (Requests * PromptSeconds);

    /// <summary>Answer tokens per second of decoding; the first token of an answer comes with its prompt. Not a number where noise left no time.</summary>
    public double DecodeRate => DecodeSeconds > 0 ? (double)Requests * (Answer - 1) / DecodeSeconds : double.NaN;

    /// <summary>Tokens of prompts and answers per second.</summary>
    public double TotalRate => (double)Requests * (Prompt + Answer) / Seconds;

    /// <summary>
    /// The same if prompts took what they take alone and every token what it takes in the largest batch: if the batch were full from the first step to the last, and nothing were done
    /// between steps. Not a number where noise left no time.
    /// </summary>
    public double CeilingRate => TokenSeconds > 0 ? (Prompt + Answer) / (PromptSeconds + ((Answer - 1) * TokenSeconds)) : double.NaN;
}
