using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Tests.Sampling;

public sealed class TokenSamplerTests
{
    private readonly SamplerScratch _scratch = new();

    [Fact]
    public void Greedy_takes_the_largest_logit_and_the_lower_id_of_equals()
    {
        Assert.Equal(1, Draw(new SamplingOptions(), [0, 5, 5, -1]));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Logits_that_are_not_numbers_are_refused(float bad)
    {
        Assert.Equal(-1, Draw(new SamplingOptions(), [0, bad, 1]));
        Assert.Equal(-1, Draw(new SamplingOptions { Temperature = 1, Seed = 1 }, [0, bad, 1]));
    }

    /// <summary>Equal logits, logits whose weights are equal or vanish, and what is no number.</summary>
    [Theory]
    [InlineData(0f, 0, 0f)]
    [InlineData(1f, 1, 0f)]
    [InlineData(1f, 5, 0f)]
    [InlineData(0.01f, 5, 0f)]
    [InlineData(100f, 20, 0f)]
    [InlineData(1f, 20, 0.3f)]
    [InlineData(0.7f, 63, 0.001f)]
    public void The_largest_logits_give_the_tokens_that_all_of_them_give(float temperature, int topK, float minP)
    {
        SamplingOptions options = new() { Temperature = temperature, TopK = topK, MinP = minP, Seed = 3 };
        TokenSampler whole = new(options, []), top = new(options, []);
        using KvChat.Kernels.Cpu.CpuBackend backend = new();
        using KvChat.Kernels.DeviceTensor tensor = backend.CreateTensor(1, 70);
        Random random = new(5);
        int decided = 0;
        for (int round = 0; round < 400; round++)
        {
            float[] logits = [.. Enumerable.Range(0, 70).Select(_ => (float)(random.Next(3) == 0 ? random.Next(-3, 4) : random.Next(2) == 0 ? random.NextDouble() * 1e-6 : random.NextDouble() * 12))];
            if (round % 100 == 99)
                logits[random.Next(70)] = round % 200 == 99 ? float.NaN : float.PositiveInfinity;
            int[] tokens = new int[Math.Min(top.TopNeeded, 70)];
            float[] values = new float[tokens.Length];
            backend.Write(tensor, 0, logits);
            backend.FindTop(tensor, 1, tokens, values);
            int fromTop = top.DrawTop(tokens, values);
            decided += fromTop != TokenSampler.NeedsAll ? 1 : 0;
            if (fromTop == TokenSampler.NeedsAll)
                fromTop = top.Draw([.. logits], _scratch);
            Assert.Equal(whole.Draw(logits, _scratch), fromTop);
        }

        Assert.InRange(decided, 1, 400);
    }

    [Fact]
    public void Nothing_but_minus_infinity_is_refused() =>
        Assert.Equal(-1, Draw(new SamplingOptions(), [float.NegativeInfinity, float.NegativeInfinity]));

    [Fact]
    public void Same_seed_gives_the_same_tokens()
    {
        var options = new SamplingOptions { Temperature = 1.3f, Seed = 42, TopP = 0.9f };
        Assert.Equal(Many(options, 200), Many(options, 200));
        Assert.NotEqual(Many(options, 200), Many(options with { Seed = 43 }, 200));
    }

    [Fact]
    public void Frequencies_follow_the_softmax_at_the_temperature()
    {
        // Logits ln 1, ln 2, ln 4, ln 8 at temperature 0.5 have the odds 1 : 4 : 16 : 64.
        int[] counts = Histogram(new SamplingOptions { Temperature = 0.5f, Seed = 7 }, 20_000);
        for (int i = 0; i < 4; i++)
            Assert.InRange(counts[i] / 20_000.0, (Math.Pow(4, i) / 85) - 0.012, (Math.Pow(4, i) / 85) + 0.012);
    }

    [Fact]
    public void Top_k_keeps_k_tokens() => Assert.Equal([0, 0], Histogram(new SamplingOptions { Temperature = 1, TopK = 2, Seed = 1 }, 2000)[..2]);

    [Fact]
    public void Top_p_keeps_the_smallest_set_that_reaches_it()
    {
        // Probabilities 1/15, 2/15, 4/15, 8/15: 8/15 + 4/15 = 0.8 reaches 0.75, 8/15 alone does not.
        int[] counts = Histogram(new SamplingOptions { Temperature = 1, TopP = 0.75f, Seed = 1 }, 2000);
        Assert.Equal([0, 0], counts[..2]);
        Assert.True(counts[2] > 0);
    }

    [Fact]
    public void Min_p_keeps_tokens_by_their_share_of_the_best()
    {
        int[] counts = Histogram(new SamplingOptions { Temperature = 1, MinP = 0.25f, Seed = 1 }, 4000);
        Assert.Equal(0, counts[0]);
        Assert.True(counts[1] > 0);
    }

    [Fact]
    public void Truncations_of_a_flat_vocabulary_are_exact()
    {
        // Every token is equally likely: top-p 0.5 keeps the lower half of the ids, whatever shortcut finds the candidates.
        var flat = new float[1000];
        var sampler = new TokenSampler(new SamplingOptions { Temperature = 1, TopP = 0.5f, Seed = 3 }, []);
        for (int i = 0; i < 2000; i++)
            Assert.InRange(sampler.Draw(flat.ToArray(), _scratch), 0, 500);
    }

    [Fact]
    public void Penalties_count_the_answer_and_repetition_the_prompt_too()
    {
        Assert.Equal(0, new TokenSampler(new SamplingOptions { RepetitionPenalty = 2 }, [1]).Draw([3, 5, 1], _scratch));
        var frequency = new TokenSampler(new SamplingOptions { FrequencyPenalty = 1 }, [1]);
        Assert.Equal([1, 1, 0], Enumerable.Range(0, 3).Select(_ => frequency.Draw([3.5f, 5, 1], _scratch)).ToArray());
        var presence = new TokenSampler(new SamplingOptions { PresencePenalty = 2 }, []);
        Assert.Equal([1, 0, 1], Enumerable.Range(0, 3).Select(_ => presence.Draw([3.5f, 5, 1], _scratch)).ToArray());
    }

    [Theory]
    [InlineData("Temperature")]
    [InlineData("TopP")]
    [InlineData("MinP")]
    [InlineData("TopK")]
    public void A_bad_option_is_named(string field)
    {
        var options = field switch
        {
            "Temperature" => new SamplingOptions { Temperature = -1 },
            "TopP" => new SamplingOptions { TopP = 0 },
            "MinP" => new SamplingOptions { MinP = 2 },
            _ => new SamplingOptions { TopK = -1 },
        };
        Assert.Contains(field, Assert.Throws<ArgumentException>(() => new TokenSampler(options, [])).Message, StringComparison.Ordinal);
    }

    private int Draw(SamplingOptions options, float[] logits) => new TokenSampler(options, []).Draw(logits, _scratch);

    private int[] Many(SamplingOptions options, int count)
    {
        var sampler = new TokenSampler(options, []);
        return [.. Enumerable.Range(0, count).Select(_ => sampler.Draw([0, MathF.Log(2), MathF.Log(4), MathF.Log(8)], _scratch))];
    }

    private int[] Histogram(SamplingOptions options, int count)
    {
        var counts = new int[4];
        foreach (int token in Many(options, count))
            counts[token]++;
        return counts;
    }
}
