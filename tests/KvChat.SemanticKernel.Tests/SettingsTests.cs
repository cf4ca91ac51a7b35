using System.Text.Json;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ChatMessageContent = Microsoft.SemanticKernel.ChatMessageContent;

namespace KvChat.SemanticKernel.Tests;

/// <summary>What execution settings become on their way to the client.</summary>
[Collection(SharedKernelTests.Name)]
public sealed class SettingsTests(SharedKernel shared)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Settings_arrive_in_full(bool derived)
    {
        var data = new Dictionary<string, object>
        {
            ["temperature"] = 0.3, ["top_p"] = 0.8, ["top_k"] = 12, ["seed"] = 77, ["max_tokens"] = 19, ["frequency_penalty"] = 0.1, ["presence_penalty"] = 0.2,
            ["stop_sequences"] = new List<string> { "END", "STOP" }, ["min_p"] = 0.05, ["repetition_penalty"] = 1.1, ["kv_retained_ratio"] = 0.5, ["kv_schedule"] = "during",
            ["response_format"] = "json_object",
        };
        ChatOptions seen = await Seen(derived ? new Derived { ExtensionData = data } : new PromptExecutionSettings { ExtensionData = data });
        Assert.Equal((0.3f, 0.8f, 12, 77L, 19, 0.1f, 0.2f), (seen.Temperature, seen.TopP, seen.TopK, seen.Seed, seen.MaxOutputTokens, seen.FrequencyPenalty, seen.PresencePenalty));
        Assert.Equal(["END", "STOP"], seen.StopSequences!);
        Assert.Same(ChatResponseFormat.Json, seen.ResponseFormat);
        Assert.Equal(["kv_retained_ratio", "kv_schedule", "min_p", "repetition_penalty"], seen.AdditionalProperties!.Keys.Order());
        Assert.Equal("0.5", Convert.ToString(seen.AdditionalProperties["kv_retained_ratio"], System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task Whole_options_arrive_with_what_the_kernel_has_no_name_for()
    {
        JsonElement schema = JsonDocument.Parse("""{"type":"object"}""").RootElement;
        var options = new ChatOptions
        {
            Temperature = 0.4f, TopP = 0.7f, TopK = 5, Seed = 3, MaxOutputTokens = 9, FrequencyPenalty = 0.1f, PresencePenalty = 0.2f, StopSequences = ["X"], Instructions = "Be brief.",
            ResponseFormat = ChatResponseFormat.ForJsonSchema(schema), Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High }, AllowMultipleToolCalls = false,
            Tools = [AIFunctionFactory.Create(() => 1, "one")], ToolMode = ChatToolMode.RequireAny, RawRepresentationFactory = _ => null,
        };
        options.WithKvCompression(new KvCompression { RetainedRatio = 0.25 });
        ChatOptions seen = await Seen(new KvCompressExecutionSettings { Options = options, ExtensionData = new Dictionary<string, object> { ["temperature"] = 0.9, ["min_p"] = 0.1 } });
        Assert.Equal((0.4f, 0.7f, 5, 3L, 9, 0.1f, 0.2f), (seen.Temperature, seen.TopP, seen.TopK, seen.Seed, seen.MaxOutputTokens, seen.FrequencyPenalty, seen.PresencePenalty));
        Assert.Equal(("Be brief.", false, ReasoningEffort.High), (seen.Instructions, seen.AllowMultipleToolCalls, seen.Reasoning!.Effort));
        Assert.Equal("one", Assert.Single(seen.Tools!).Name);
        Assert.Equal(ChatToolMode.RequireAny, seen.ToolMode);
        Assert.NotNull(seen.RawRepresentationFactory);
        Assert.IsType<ChatResponseFormatJson>(seen.ResponseFormat);
        Assert.Contains("min_p", seen.AdditionalProperties!.Keys);
        Assert.Contains(KvOptionNames.RetainedRatio, seen.AdditionalProperties.Keys);
    }

    [Fact]
    public async Task The_last_token_of_the_limit_and_the_compression_are_obeyed()
    {
        var settings = new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { ["max_tokens"] = 3, ["kv_retained_ratio"] = 0.25 } };
        FunctionResult result = await shared.Kernel.InvokePromptAsync("{{$text}}\n\n{{$question}}", new KernelArguments(settings) { ["text"] = SharedKernel.Document(30), ["question"] = SharedKernel.Question });
        var made = (GenerationResult)result.GetValue<ChatMessageContent>()!.InnerContent!;
        Assert.Equal(3, made.OutputTokens);
        Assert.InRange((double)made.Kvs.Kept / made.Kvs.Seen, 0.1, 0.5);
    }

    [Fact]
    public async Task A_setting_that_cannot_be_honoured_is_refused_by_name()
    {
        foreach (string name in (string[])["kv_retained", "logit_bias"])
        {
            var settings = new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { [name] = 0.5 } };
            Exception error = await Assert.ThrowsAnyAsync<Exception>(() => shared.Kernel.InvokePromptAsync("Hello", new KernelArguments(settings)));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_clone_is_equal_and_apart_and_frozen_settings_stay()
    {
        var settings = KvCompressExecutionSettings.Compressed(new KvCompression { RetainedRatio = 0.5 });
        settings.ServiceId = "a";
        settings.ModelId = "m";
        var clone = (KvCompressExecutionSettings)settings.Clone();
        Assert.Equal(("a", "m"), (clone.ServiceId, clone.ModelId));
        clone.Options!.Temperature = 1;
        Assert.Null(settings.Options!.Temperature);
        settings.Freeze();
        Assert.Throws<InvalidOperationException>(() => settings.Options = null);
    }

    /// <summary>The options that reach the client, by way of a kernel's prompt.</summary>
    private static async Task<ChatOptions> Seen(PromptExecutionSettings settings)
    {
        using var probe = new Probe();
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(probe.AsChatCompletionService());
        await builder.Build().InvokePromptAsync("Hello", new KernelArguments(settings));
        return probe.Options!;
    }

    private sealed class Derived : PromptExecutionSettings;

    private sealed class Probe : IChatClient
    {
        public ChatOptions? Options { get; private set; }

        public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Options = options;
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, "seen")));
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException("Not asked for here.");

        public object? GetService(Type serviceType, object? serviceKey = null) => serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("probe") : null;

        public void Dispose()
        {
        }
    }
}
