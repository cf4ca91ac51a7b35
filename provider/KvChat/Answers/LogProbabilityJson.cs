using System.Text.Json.Nodes;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Text;

namespace KvChat.Answers;

/// <summary>Log probabilities as OpenAI's clients know them.</summary>
internal static class LogProbabilityJson
{
    /// <summary>An object with <c>token</c>, <c>logprob</c>, <c>bytes</c> and <c>top_logprobs</c>, a list of the same without the last.</summary>
    public static JsonObject Of(TokenLogProbabilities probabilities, Tokenizer tokenizer)
    {
        JsonObject entry = Of(probabilities.Drawn, tokenizer);
        entry["top_logprobs"] = new JsonArray([.. probabilities.Top.Select(t => Of(t, tokenizer))]);
        return entry;
    }

    private static JsonObject Of(TokenLogProbability token, Tokenizer tokenizer)
    {
        var bytes = new JsonArray();
        foreach (byte value in tokenizer.BytesOf(token.Token))
            bytes.Add((JsonNode)(int)value);
        return new JsonObject { ["token"] = tokenizer.TextOf(token.Token), ["logprob"] = token.LogProbability, ["bytes"] = bytes };
    }
}
