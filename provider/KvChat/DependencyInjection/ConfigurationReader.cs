using System.Globalization;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KvChat.DependencyInjection;

/// <summary>
/// Reads <see cref="KvCompressChatOptions"/> from configuration, without reflection, so that trimmed and natively compiled programs can. A key that
/// means nothing and a value that cannot be read are errors: a mistyped setting is never ignored.
/// </summary>
internal sealed class ConfigurationReader(string optionsName)
{
    private delegate void Setter(KvCompressChatOptions options, ConfigurationReader reader, IConfigurationSection value);

    private delegate KvCompression CompressionSetter(KvCompression settings, ConfigurationReader reader, IConfigurationSection value);

    private static readonly Dictionary<string, Setter> Setters = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(KvCompressChatOptions.Model)] = static (o, r, v) => o.Model = r.Text(v),
        [nameof(KvCompressChatOptions.ModelId)] = static (o, r, v) => o.ModelId = r.Text(v),
        [nameof(KvCompressChatOptions.CacheBytes)] = static (o, r, v) => o.CacheBytes = r.Bytes(v),
        [nameof(KvCompressChatOptions.Compression)] = static (o, r, v) => o.Compression = r.Compression(v),
        [nameof(KvCompressChatOptions.MaxQueuedRequests)] = static (o, r, v) => o.MaxQueuedRequests = r.Integer(v),
        [nameof(KvCompressChatOptions.MaxSequences)] = static (o, r, v) => o.MaxSequences = r.Integer(v),
        [nameof(KvCompressChatOptions.ContextTokens)] = static (o, r, v) => o.ContextTokens = r.Integer(v),
        [nameof(KvCompressChatOptions.PageTokens)] = static (o, r, v) => o.PageTokens = r.Integer(v),
        [nameof(KvCompressChatOptions.StepTokens)] = static (o, r, v) => o.StepTokens = r.Integer(v),
        [nameof(KvCompressChatOptions.HoldFinishedSequences)] = static (o, r, v) => o.HoldFinishedSequences = r.Boolean(v),
        [nameof(KvCompressChatOptions.LoadInBackground)] = static (o, r, v) => o.LoadInBackground = r.Boolean(v),
        [nameof(KvCompressChatOptions.Threads)] = static (o, r, v) => o.Threads = r.Integer(v),
        [nameof(KvCompressChatOptions.Backend)] = static (o, r, v) => o.Backend = r.Word<BackendKind>(v),
        [nameof(KvCompressChatOptions.CudaDevice)] = static (o, r, v) => o.CudaDevice = r.Integer(v),
        [nameof(KvCompressChatOptions.CudaProducts)] = static (o, r, v) => o.CudaProducts = r.Word<CudaProductSource>(v),
        [nameof(KvCompressChatOptions.BackendFactory)] = static (_, r, v) => throw r.Wrong(v, "set in code, such as BackendFactory = TorchBackend.Create; Backend = TorchSharp can be said here"),
        [nameof(KvCompressChatOptions.TokenizerFactory)] = static (_, r, v) => throw r.Wrong(v, "set in code, such as TokenizerFactory = own => new EngineTokenizer(theirs, own)"),
        [nameof(KvCompressChatOptions.Activations)] = static (o, r, v) => o.Activations = r.Word<ActivationPrecision>(v),
        [nameof(KvCompressChatOptions.ChatTemplate)] = static (o, r, v) => o.ChatTemplate = r.Text(v),
    };

    private static readonly Dictionary<string, CompressionSetter> CompressionSetters = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(KvCompression.Policy)] = static (s, r, v) => s with { Policy = r.Text(v) },
        [nameof(KvCompression.Allocator)] = static (s, r, v) => s with { Allocator = r.Text(v) },
        [nameof(KvCompression.MinQuality)] = static (s, r, v) => s with { MinQuality = r.Number(v) },
        [nameof(KvCompression.RetainedRatio)] = static (s, r, v) => s with { RetainedRatio = r.Number(v) },
        [nameof(KvCompression.RetainedKvs)] = static (s, r, v) => s with { RetainedKvs = r.Integer(v) },
        [nameof(KvCompression.Schedule)] = static (s, r, v) => s with { Schedule = r.Word<CompressionSchedule>(v) },
        [nameof(KvCompression.Query)] = static (s, r, v) => s with { Query = r.Word<CompressionQuery>(v) },
        [nameof(KvCompression.Format)] = static (s, r, v) => s with { Format = r.Word<KvFormat>(v) },
        [nameof(KvCompression.LowFormat)] = static (s, r, v) => s with { LowFormat = r.Word<KvFormat>(v) },
        [nameof(KvCompression.HighShare)] = static (s, r, v) => s with { HighShare = r.Number(v) },
        [nameof(KvCompression.DropThreshold)] = static (s, r, v) => s with { DropThreshold = r.Number(v) },
        [nameof(KvCompression.LowThreshold)] = static (s, r, v) => s with { LowThreshold = r.Number(v) },
        [nameof(KvCompression.ObservationWindow)] = static (s, r, v) => s with { ObservationWindow = r.Integer(v) },
        [nameof(KvCompression.PoolWidth)] = static (s, r, v) => s with { PoolWidth = r.Integer(v) },
        [nameof(KvCompression.Squared)] = static (s, r, v) => s with { Squared = r.Boolean(v) },
        [nameof(KvCompression.ProtectedTokens)] = static (s, r, v) => s with { ProtectedTokens = r.Integer(v) },
        [nameof(KvCompression.SinkTokens)] = static (s, r, v) => s with { SinkTokens = r.Integer(v) },
        [nameof(KvCompression.ChunkTokens)] = static (s, r, v) => s with { ChunkTokens = r.Integer(v) },
        [nameof(KvCompression.DecodeInterval)] = static (s, r, v) => s with { DecodeInterval = r.Integer(v) },
        [nameof(KvCompression.UnderPressure)] = static (s, r, v) => s with { UnderPressure = r.Boolean(v) },
    };

    /// <summary>Sets what the section says; what it does not say stays.</summary>
    /// <exception cref="OptionsValidationException">A key means nothing, or a value cannot be read.</exception>
    public void Read(IConfiguration section, KvCompressChatOptions into)
    {
        foreach (IConfigurationSection value in section.GetChildren())
        {
            if (!Setters.TryGetValue(value.Key, out Setter? set))
                throw Failure($"{value.Path} is not a setting; known are: {string.Join(", ", Setters.Keys)}.");
            set(into, this, value);
        }
    }

    private KvCompression Compression(IConfigurationSection section)
    {
        if (string.Equals(section.Value, KvCompression.Off.Policy, StringComparison.OrdinalIgnoreCase))
            return KvCompression.Off;
        if (string.Equals(section.Value, nameof(KvCompression.Safe), StringComparison.OrdinalIgnoreCase))
            return KvCompression.Safe;
        if (section.Value is not null)
            throw Wrong(section, "\"off\", \"safe\", or a section of settings");
        var settings = new KvCompression();
        foreach (IConfigurationSection value in section.GetChildren())
        {
            if (!CompressionSetters.TryGetValue(value.Key, out CompressionSetter? set))
                throw Failure($"{value.Path} is not a setting; known are: {string.Join(", ", CompressionSetters.Keys)}.");
            settings = set(settings, this, value);
        }

        return settings;
    }

    private string Text(IConfigurationSection value) => value.Value ?? throw Wrong(value, "a text");

    private int Integer(IConfigurationSection value) =>
        int.TryParse(value.Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number : throw Wrong(value, "a whole number");

    private double Number(IConfigurationSection value) =>
        double.TryParse(value.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : throw Wrong(value, "a number");

    private bool Boolean(IConfigurationSection value) => bool.TryParse(value.Value, out bool truth) ? truth : throw Wrong(value, "true or false");

    private T Word<T>(IConfigurationSection value)
        where T : struct, Enum =>
        Enum.TryParse(value.Value, ignoreCase: true, out T word) && Enum.IsDefined(word) ? word : throw Wrong(value, $"one of: {string.Join(", ", Enum.GetNames<T>())}");

    private long Bytes(IConfigurationSection value)
    {
        ReadOnlySpan<char> text = (value.Value ?? "").AsSpan().Trim();
        int shift = text.EndsWith("KiB", StringComparison.OrdinalIgnoreCase) ? 10 : text.EndsWith("MiB", StringComparison.OrdinalIgnoreCase) ? 20
            : text.EndsWith("GiB", StringComparison.OrdinalIgnoreCase) ? 30 : 0;
        if (shift > 0)
            text = text[..^3].TrimEnd();
        return long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long number) && number <= long.MaxValue >> shift && number >= long.MinValue >> shift
            ? number << shift
            : throw Wrong(value, "a number of bytes such as 1073741824, \"512 MiB\" or \"6 GiB\"");
    }

    private OptionsValidationException Wrong(IConfigurationSection value, string right) =>
        Failure($"{value.Path} is {(value.Value is null ? "null" : $"\"{value.Value}\"")}; it must be {right}.");

    private OptionsValidationException Failure(string message) => new(optionsName, typeof(KvCompressChatOptions), [message]);
}
