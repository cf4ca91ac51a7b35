using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace KvChat.Runtime.Sampling;

/// <summary>
/// Draws one request's tokens from logits. Order: penalties, temperature, top-k, top-p, min-p, draw. Ties are broken by the lower token id, so
/// that the same seed gives the same tokens everywhere.
/// </summary>
public sealed class TokenSampler
{
    /// <summary>What <see cref="DrawTop"/> gives where the largest logits do not decide.</summary>
    internal const int NeedsAll = -2;

    private readonly SamplingOptions _options;
    private readonly Dictionary<int, int> _answered = [];
    private readonly HashSet<int> _seen = [];
    private ulong _state;

    /// <summary>Makes the sampler of a request.</summary>
    /// <param name="options">How to draw.</param>
    /// <param name="prompt">The prompt's tokens; the repetition penalty counts them.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public TokenSampler(SamplingOptions options, ReadOnlySpan<int> prompt)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _state = (ulong)(options.Seed ?? Random.Shared.NextInt64());
        if (options.RepetitionPenalty != 1)
        {
            foreach (int token in prompt)
                _seen.Add(token);
        }
    }

    /// <summary>How many of the largest logits are enough to draw from, mostly; 0 where all of them are needed.</summary>
    internal int TopNeeded => CountsAnswer || _options.RepetitionPenalty != 1 ? 0
        : _options.Temperature == 0 ? 1
        : _options is { TopK: > 0 and < int.MaxValue, TopP: 1 } ? _options.TopK + 1 : 0;

    private bool CountsAnswer => _options.FrequencyPenalty != 0 || _options.PresencePenalty != 0;

    /// <summary>Draws the next token. Allocates nothing where it is greedy without penalties.</summary>
    /// <param name="logits">One per token of the vocabulary; overwritten.</param>
    /// <param name="scratch">Working memory that samplers share.</param>
    /// <returns>The token, or -1 where no logit is a number or one is NaN.</returns>
    public int Draw(Span<float> logits, SamplerScratch scratch)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        Penalise(logits);
        int best = TensorPrimitives.IndexOfMax<float>(logits);
        if (best < 0 || !float.IsFinite(logits[best]))
            return -1;
        best = logits.IndexOf(logits[best]);
        int token = _options.Temperature == 0 ? best : DrawWarm(logits, logits[best], scratch);
        Remember(token);
        return token;
    }

    /// <summary>Draws what <see cref="Draw"/> would, from the largest logits alone.</summary>
    /// <param name="tokens">The tokens of the largest logits, in descending order, of equal ones the lowest first; overwritten. At least <see cref="TopNeeded"/>, or all.</param>
    /// <param name="logits">Their logits; overwritten.</param>
    /// <returns>The token, -1 where logits are not numbers, or <see cref="NeedsAll"/>; nothing is drawn then.</returns>
    internal int DrawTop(Span<int> tokens, Span<float> logits)
    {
        float max = logits[0], scale = 1 / _options.Temperature;
        if (!float.IsFinite(max))
            return -1;
        if (_options.Temperature == 0)
            return tokens[0];
        foreach (ref float logit in logits)
            logit = MathF.Exp((logit - max) * scale);

        // Different logits can have one weight, and weights are what is cut by.
        int kept = _options.TopK;
        bool hidesTies = kept < logits.Length && logits[kept] >= logits[kept - 1] && logits[kept] > 0;
        return hidesTies ? NeedsAll : DrawTruncated(logits, tokens, 0);
    }

    private void Remember(int token)
    {
        if (CountsAnswer)
            CollectionsMarshal.GetValueRefOrAddDefault(_answered, token, out _)++;
        if (_options.RepetitionPenalty != 1)
            _seen.Add(token);
    }

    private void Penalise(Span<float> logits)
    {
        if (_options.RepetitionPenalty != 1)
        {
            foreach (int token in _seen)
                logits[token] = logits[token] > 0 ? logits[token] / _options.RepetitionPenalty : logits[token] * _options.RepetitionPenalty;
        }

        if (CountsAnswer)
        {
            foreach ((int token, int count) in _answered)
                logits[token] -= (_options.FrequencyPenalty * count) + _options.PresencePenalty;
        }
    }

    /// <summary>Softmax at the temperature, then the truncations over candidates in descending order, then one draw.</summary>
    private int DrawWarm(Span<float> logits, float max, SamplerScratch scratch)
    {
        float scale = 1 / _options.Temperature;
        double total = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = MathF.Exp((logits[i] - max) * scale);
            total += logits[i];
        }

        bool truncated = _options.TopK > 0 || _options.TopP < 1 || _options.MinP > 0;
        if (!truncated)
            return Pick(logits, [], Next() * total);
        int count = Candidates(logits, total, scratch);
        return DrawTruncated(scratch.Keys.AsSpan(0, count), scratch.Tokens.AsSpan(0, count), total);
    }

    /// <summary>Sorts candidates, truncates them and draws one; <paramref name="total"/> is the weight of the whole vocabulary, which matters where nothing is cut by number.</summary>
    private int DrawTruncated(Span<float> weights, Span<int> tokens, double total)
    {
        weights.Sort(tokens, static (a, b) => b.CompareTo(a));
        SortTies(weights, tokens);
        int kept = Truncate(weights, total, weights.Length);
        return Pick(weights[..kept], tokens, Next() * Sum(weights[..kept]));
    }

    /// <summary>Collects enough of the most probable tokens for the truncations, so that the whole vocabulary need not be sorted.</summary>
    private int Candidates(ReadOnlySpan<float> weights, double total, SamplerScratch scratch)
    {
        scratch.Reserve(weights.Length);
        for (float bound = 0.03f; ; bound *= bound * bound)
        {
            if (bound < 1e-30f)
                bound = 0;
            int count = 0;
            double mass = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                if (weights[i] < bound)
                    continue;
                scratch.Keys[count] = weights[i];
                scratch.Tokens[count++] = i;
                mass += weights[i];
            }

            bool enough = (_options.TopK > 0 && count >= _options.TopK) || (_options.TopP < 1 && mass > _options.TopP * total)
                || (_options.MinP > 0 && bound <= _options.MinP);
            if (enough || bound == 0)
                return count;
        }
    }

    private int Truncate(ReadOnlySpan<float> keys, double total, int count)
    {
        if (_options.TopK > 0 && _options.TopK < count)
        {
            count = _options.TopK;
            total = Sum(keys[..count]);
        }

        double mass = 0;
        for (int i = 0; i < count; i++)
        {
            if (i > 0 && (keys[i] < _options.MinP * keys[0] || (_options.TopP < 1 && mass >= _options.TopP * total)))
                return i;
            mass += keys[i];
        }

        return count;
    }

    /// <summary>Equal weights in ascending order of their token.</summary>
    private static void SortTies(ReadOnlySpan<float> keys, Span<int> tokens)
    {
        for (int start = 0; start < keys.Length;)
        {
            int end = start + 1;
            while (end < keys.Length && keys[end] == keys[start])
                end++;
            if (end - start > 1)
                tokens[start..end].Sort();
            start = end;
        }
    }

    private static double Sum(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += value;
        return sum;
    }

    private static int Pick(ReadOnlySpan<float> weights, ReadOnlySpan<int> tokens, double at)
    {
        int last = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] <= 0)
                continue;
            last = i;
            at -= weights[i];
            if (at < 0)
                break;
        }

        return tokens.Length > 0 ? tokens[last] : last;
    }

    /// <summary>The next number of SplitMix64 (Steele, Lea, Flood 2014), as a fraction from 0 to below 1.</summary>
    private double Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 11) * (1.0 / (1UL << 53));
    }
}

/// <summary>Working memory of samplers; one at a time uses it.</summary>
public sealed class SamplerScratch
{
    internal float[] Keys { get; private set; } = [];

    internal int[] Tokens { get; private set; } = [];

    internal void Reserve(int count)
    {
        if (Keys.Length >= count)
            return;
        Keys = new float[count];
        Tokens = new int[count];
    }
}
