namespace KvChat.Kernels.Cpu;

/// <summary>Chooses a row's experts from the router's logits.</summary>
internal static class ExpertChoice
{
    /// <summary>
    /// The experts of the greatest probabilities in descending order, of equal ones the first, and their probabilities: of all experts, or of the chosen ones
    /// alone. A softmax over everything and then over the sum of the chosen is the softmax over the chosen, so that only one is computed.
    /// </summary>
    /// <param name="logits">One per expert.</param>
    /// <param name="normalises">Whether the chosen probabilities add up to 1.</param>
    /// <param name="chosen">Receives the experts, as many as it has room for.</param>
    /// <param name="weights">Receives their probabilities.</param>
    public static void Choose(ReadOnlySpan<float> logits, bool normalises, Span<int> chosen, Span<float> weights)
    {
        int count = 0;
        for (int expert = 0; expert < logits.Length; expert++)
            Insert(logits, expert, chosen, ref count);
        float largest = logits[chosen[0]], sum = 0;
        if (normalises)
        {
            foreach (int expert in chosen)
                sum += MathF.Exp(logits[expert] - largest);
        }
        else
        {
            foreach (float logit in logits)
                sum += MathF.Exp(logit - largest);
        }

        for (int i = 0; i < chosen.Length; i++)
            weights[i] = MathF.Exp(logits[chosen[i]] - largest) / sum;
    }

    /// <summary>Keeps the best so far in order. What is no number counts as the smallest, so that every row gets its experts and what is wrong shows in the result.</summary>
    private static void Insert(ReadOnlySpan<float> logits, int expert, Span<int> chosen, ref int count)
    {
        int at = count;
        while (at > 0 && (logits[expert] > logits[chosen[at - 1]] || (float.IsNaN(logits[chosen[at - 1]]) && !float.IsNaN(logits[expert]))))
            at--;
        if (at >= chosen.Length)
            return;
        count = Math.Min(count + 1, chosen.Length);
        for (int i = count - 1; i > at; i--)
            chosen[i] = chosen[i - 1];
        chosen[at] = expert;
    }
}
