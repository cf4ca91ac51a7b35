using KvChat.Models;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.Options;

namespace KvChat;

/// <summary>Checks <see cref="KvCompressChatOptions"/>; every message names the field, its value and what would be right.</summary>
public sealed class KvCompressChatOptionsValidator : IValidateOptions<KvCompressChatOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, KvCompressChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<string> failures = [];
        CheckModel(options, failures);
        Check(options.ModelId is null || options.ModelId.Length > 0, nameof(options.ModelId), options.ModelId, "a name, or null");
        Check(options.CacheBytes is null or > 0, nameof(options.CacheBytes), options.CacheBytes, "a positive number of bytes, or null");
        Check(options.MaxQueuedRequests >= 1, nameof(options.MaxQueuedRequests), options.MaxQueuedRequests, "1 or more");
        Check(options.MaxSequences is >= 1 and <= 4096, nameof(options.MaxSequences), options.MaxSequences, "from 1 to 4096");
        Check(options.ContextTokens is null or >= 1, nameof(options.ContextTokens), options.ContextTokens, "a positive number of tokens, or null");
        Check(options.PageTokens is 16 or 32, nameof(options.PageTokens), options.PageTokens, "16 or 32");
        Check(options.StepTokens is >= 16 and <= 65536, nameof(options.StepTokens), options.StepTokens, "from 16 to 65536");
        Check(options.Threads is >= 0 and <= 1024, nameof(options.Threads), options.Threads, "from 0 (one per processor) to 1024");
        Check(Enum.IsDefined(options.Backend), nameof(options.Backend), options.Backend, "Auto, Cpu, Cuda or TorchSharp");
        Check(options.CudaDevice is >= 0 and < 1024, nameof(options.CudaDevice), options.CudaDevice, "the number of a device, from 0");
        Check(Enum.IsDefined(options.CudaProducts), nameof(options.CudaProducts), options.CudaProducts, "Own, Auto or Cublas");
        Check(Enum.IsDefined(options.Activations), nameof(options.Activations), options.Activations, "Int8 or Float32");
        Check(options.ChatTemplate is null || options.ChatTemplate.Length > 0, nameof(options.ChatTemplate), options.ChatTemplate, "a template, or null for the file's own");
        try
        {
            options.Compression?.Validate();
        }
        catch (ArgumentException error)
        {
            // The parameter's name that ArgumentException adds says nothing more here.
            failures.Add($"{nameof(KvCompressChatOptions)}.{nameof(options.Compression)}: {error.Message.Split(" (Parameter", 2)[0]}");
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Check(bool holds, string field, object? value, string right)
        {
            if (!holds)
                failures.Add($"{nameof(KvCompressChatOptions)}.{field} is {Shown(value)}; it must be {right}.");
        }
    }

    /// <summary>The engine's settings that these options mean.</summary>
    internal static EngineOptions Engine(KvCompressChatOptions options) => new()
    {
        CacheBytes = options.CacheBytes,
        PageTokens = options.PageTokens,
        MaxQueuedRequests = options.MaxQueuedRequests,
        MaxSequences = options.MaxSequences,
        StepTokens = options.StepTokens,
        HoldFinishedSequences = options.HoldFinishedSequences,
        ContextTokens = options.ContextTokens,
    };

    /// <summary>Throws where the options are not right.</summary>
    /// <exception cref="OptionsValidationException">Some are not.</exception>
    internal static void ThrowIfInvalid(KvCompressChatOptions options)
    {
        ValidateOptionsResult result = new KvCompressChatOptionsValidator().Validate(Options.DefaultName, options);
        if (result.Failed)
            throw new OptionsValidationException(Options.DefaultName, typeof(KvCompressChatOptions), result.Failures);
    }

    private static void CheckModel(KvCompressChatOptions options, List<string> failures)
    {
        const string field = $"{nameof(KvCompressChatOptions)}.{nameof(KvCompressChatOptions.Model)}";
        try
        {
            // Whether a store has it turns out when it is loaded: here nothing is asked for.
            if (ModelReference.Parse(options.Model) is FileReference file && !Path.Exists(file.Path))
                failures.Add($"{field} is \"{options.Model}\", and there is no file \"{file.Path}\"; it must be the path of a GGUF file or of a model's folder, \"hf:owner/name\", \"ollama:name\" or \"{KvCompressChatOptions.EmbeddedModel}\".");
        }
        catch (FormatException error)
        {
            failures.Add($"{field} is {Shown(options.Model)}; it {error.Message}.");
        }
    }

    private static string Shown(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value}"),
    };
}
