using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>
/// A text model of a few lines: its tokens are two characters, and it says the newest user's message back, reversed, unless a draw leads it astray.
/// </summary>
internal sealed class FakeModel(string prompt, string newest, ChatOptions options, Flaw flaw)
{
    private static readonly string[] Astray = ["la", "le", "li", "lo", "lu", "ma", "me", "mi"];
    private readonly Dictionary<string, int> _said = [];
    private readonly Random _draws = flaw == Flaw.SeedIsIgnored ? new Random() : new Random((int)(options.Seed ?? 1));
    private readonly string _target = string.Concat(newest.Reverse().Take(36));
    private int _at;

    public static int Count(string text) => (text.Length + 1) / 2;

    /// <summary>The next token, or null at the end.</summary>
    public string? Next()
    {
        string? wanted = _at >= _target.Length ? null : _target.Substring(_at, Math.Min(2, _target.Length - _at));
        List<(string? Token, double Logit)> all = [(wanted, 4 - Penalty(wanted))];
        all.AddRange(Astray.Select((a, i) => ((string?)a, 1 + (((prompt.Length * 7) + (i * 13)) % 10 * 0.1) - Penalty(a))));
        string? token = Draw([.. all.OrderByDescending(t => t.Logit)]);
        if (token == wanted)
            _at += 2;
        if (token is not null)
            _said[token] = _said.GetValueOrDefault(token) + 1;
        return token;
    }

    private double Penalty(string? token)
    {
        if (token is null || !_said.TryGetValue(token, out int times))
            return 0;
        double repetition = flaw == Flaw.RepetitionPenaltyIsIgnored ? 1 : Number("repetition_penalty") ?? 1;
        return (flaw == Flaw.FrequencyPenaltyIsIgnored ? 0 : times * (options.FrequencyPenalty ?? 0))
            + (flaw == Flaw.PresencePenaltyIsIgnored ? 0 : options.PresencePenalty ?? 0) + (repetition - 1);
    }

    private string? Draw((string? Token, double Logit)[] sorted)
    {
        double temperature = flaw == Flaw.TemperatureIsIgnored ? 0 : options.Temperature ?? 0;
        if (temperature == 0)
            return sorted[flaw == Flaw.GreedyIsRandom ? Random.Shared.Next(2) : 0].Token;
        double[] weights = [.. sorted.Select(t => Math.Exp((t.Logit - sorted[0].Logit) / temperature))];
        int keep = options.TopK is { } k && flaw != Flaw.TopKIsIgnored ? Math.Min(k, weights.Length) : weights.Length;
        double most = options.TopP is { } p && flaw != Flaw.TopPIsIgnored ? p * weights.Sum() : double.MaxValue, least = Number("min_p") ?? 0, sum = 0;
        for (int i = 0; i < keep; i++)
        {
            if (weights[i] < least || sum >= most)
                keep = i;
            else
                sum += weights[i];
        }

        double draw = _draws.NextDouble() * sum;
        for (int i = 0; i < keep; i++)
        {
            draw -= weights[i];
            if (draw <= 0)
                return sorted[i].Token;
        }

        return sorted[0].Token;
    }

    /// <summary>A number, as it may come: from code, from a form, from a JSON body.</summary>
    private double? Number(string name) => options.AdditionalProperties?.GetValueOrDefault(name) switch
    {
        null => null,
        double number => number,
        string text when flaw != Flaw.TextIsNoNumber => double.Parse(text),
        System.Text.Json.JsonElement json => json.GetDouble(),
        _ => null,
    };
}
