using System.Collections.Concurrent;
using KvChat.Prompts;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Tools;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace KvChat.Requests;

/// <summary>What holds where a request says nothing.</summary>
/// <param name="Sampling">The model's recommendation, or greedy.</param>
/// <param name="Compression">The client's setting.</param>
/// <param name="ModelNames">Names that a request may call the model by.</param>
internal sealed record RequestDefaults(SamplingOptions Sampling, KvCompression Compression, IReadOnlyList<string> ModelNames);

/// <summary>Turns <see cref="ChatOptions"/> into settings; what cannot be honoured is refused by name. Safe for concurrent use.</summary>
internal sealed class OptionReader(IChatClient client, ILogger logger)
{
    private const int MostLogProbabilities = 20;

    private static readonly HashSet<string> s_own = new(StringComparer.Ordinal)
    {
        KvOptionNames.MinP, KvOptionNames.RepetitionPenalty, KvOptionNames.EnableThinking, KvOptionNames.Grammar, KvOptionNames.Regex,
        KvOptionNames.LogProbabilities, KvOptionNames.TopLogProbabilities,
    };

    private readonly ConcurrentDictionary<string, bool> _told = new(StringComparer.Ordinal);

    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public RequestSettings Read(ChatOptions? options, RequestDefaults defaults, TemplateTraits traits)
    {
        if (options is null)
            return new RequestSettings { Sampling = defaults.Sampling, Compression = defaults.Compression };
        UnsupportedOptions.ThrowIfAny(options);
        CheckModel(options.ModelId, defaults.ModelNames);
        CheckNames(options.AdditionalProperties);
        object? raw = options.RawRepresentationFactory?.Invoke(client);
        if (raw is not (null or SamplingOptions or KvCompression))
            throw UnsupportedOptions.Refusal(nameof(options.RawRepresentationFactory), $"it made a {raw.GetType()}; this client takes a SamplingOptions or a KvCompression");
        if (options.MaxOutputTokens is { } most && most < 1)
            throw new ArgumentException($"ChatOptions.MaxOutputTokens is {most}; it must be 1 or more, or null.", nameof(options));
        return new RequestSettings
        {
            Instructions = options.Instructions,
            Sampling = Sampling(options, raw as SamplingOptions ?? defaults.Sampling),
            Compression = CompressionProperties.Read(options.AdditionalProperties, raw as KvCompression ?? defaults.Compression),
            MaxOutputTokens = options.MaxOutputTokens,
            StopSequences = StopSequences(options),
            Thinking = Thinking(options, traits),
            ShowsReasoning = options.Reasoning?.Output != ReasoningOutput.None,
            Form = AnswerForm.Read(options),
            Tools = ToolSettings.Read(options),
            TopLogProbabilities = LogProbabilities(options),
        };
    }

    private static void CheckModel(string? asked, IReadOnlyList<string> names)
    {
        if (asked is not null && !names.Contains(asked, StringComparer.OrdinalIgnoreCase))
            throw UnsupportedOptions.Refusal(nameof(ChatOptions.ModelId), $"it is \"{asked}\", and this client serves \"{names[0]}\"");
    }

    private void CheckNames(AdditionalPropertiesDictionary? properties)
    {
        foreach (string name in properties?.Keys ?? [])
        {
            if (CompressionProperties.Names.Contains(name) || s_own.Contains(name))
                continue;
            UnsupportedOptions.ThrowIfMeant(name);

            // Middleware leaves notes of its own here, so a foreign name is no error; it is told once.
            if (_told.Count < 256 && _told.TryAdd(name, true))
                Log.ForeignProperty(logger, name);
        }
    }

    /// <summary>
    /// The standard, changed where the options say so. Where they narrow the choice (top-p, top-k, min-p) but neither they nor the standard have
    /// a temperature, drawing is plainly meant, and the temperature is 1.
    /// </summary>
    private static SamplingOptions Sampling(ChatOptions options, SamplingOptions standard)
    {
        float? minP = Single(options, KvOptionNames.MinP), repetition = Single(options, KvOptionNames.RepetitionPenalty);
        bool narrows = options.TopP is not null || options.TopK is not null || minP is not null;
        SamplingOptions sampling = standard with
        {
            Temperature = options.Temperature ?? (narrows && standard.Temperature == 0 ? 1 : standard.Temperature),
            TopP = options.TopP ?? standard.TopP,
            TopK = options.TopK ?? standard.TopK,
            MinP = minP ?? standard.MinP,
            RepetitionPenalty = repetition ?? standard.RepetitionPenalty,
            FrequencyPenalty = options.FrequencyPenalty ?? standard.FrequencyPenalty,
            PresencePenalty = options.PresencePenalty ?? standard.PresencePenalty,
            Seed = options.Seed ?? standard.Seed,
        };
        sampling.Validate();
        return sampling;
    }

    private static float? Single(ChatOptions options, string name) =>
        options.AdditionalProperties?.TryGetValue(name, out object? value) == true && !LooseValue.IsNull(value) ? (float)LooseValue.Number(name, value) : null;

    /// <summary>How many log probabilities are wanted beside those of the drawn tokens; null for none at all.</summary>
    private static int? LogProbabilities(ChatOptions options)
    {
        object? wanted = null, top = null;
        options.AdditionalProperties?.TryGetValue(KvOptionNames.LogProbabilities, out wanted);
        options.AdditionalProperties?.TryGetValue(KvOptionNames.TopLogProbabilities, out top);
        bool wants = !LooseValue.IsNull(wanted) && LooseValue.Boolean(KvOptionNames.LogProbabilities, wanted);
        if (LooseValue.IsNull(top))
            return wants ? 0 : null;
        double count = LooseValue.Number(KvOptionNames.TopLogProbabilities, top);
        if (!wants || count != Math.Floor(count) || count is < 0 or > MostLogProbabilities)
            throw LooseValue.Wrong(KvOptionNames.TopLogProbabilities, top, $"a whole number from 0 to {MostLogProbabilities}, with \"{KvOptionNames.LogProbabilities}\" true");
        return (int)count;
    }

    private static string[] StopSequences(ChatOptions options)
    {
        string[] stops = [.. options.StopSequences ?? []];
        return Array.Exists(stops, string.IsNullOrEmpty)
            ? throw new ArgumentException("ChatOptions.StopSequences holds an empty sequence; every one must have at least one character.", nameof(options))
            : stops;
    }

    private static ThinkingSettings Thinking(ChatOptions options, TemplateTraits traits)
    {
        ReasoningEffort? effort = options.Reasoning?.Effort;
        bool? enable = effort is null ? null : effort != ReasoningEffort.None;
        if (options.AdditionalProperties?.TryGetValue(KvOptionNames.EnableThinking, out object? value) == true && !LooseValue.IsNull(value))
            enable = LooseValue.Boolean(KvOptionNames.EnableThinking, value);
        if (enable == true && !traits.CanSwitchThinking && !traits.KnowsReasoningEffort)
            throw UnsupportedOptions.Refusal("Reasoning", "the model's chat template has no switch for thinking");
        if (enable == false && !traits.CanSwitchThinking && traits.KnowsReasoningEffort)
            throw UnsupportedOptions.Refusal("Reasoning", "the model's chat template knows an effort, but cannot switch thinking off");
        return new ThinkingSettings(enable, effort);
    }
}
