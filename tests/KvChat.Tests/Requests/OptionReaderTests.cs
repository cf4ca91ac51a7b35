using System.Text.Json;
using System.Text.Json.Nodes;
using KvChat.Kernels;
using KvChat.Prompts;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;

namespace KvChat.Tests.Requests;

public sealed class OptionReaderTests
{
    private static readonly RequestDefaults Defaults = new(new SamplingOptions(), KvCompression.Off, ["tiny", "KvChat Tiny"]);

    [Fact]
    public void Nothing_said_means_the_defaults()
    {
        RequestSettings settings = Read(null);
        Assert.Equal(new SamplingOptions(), settings.Sampling);
        Assert.True(settings.Compression.IsOff);
        Assert.Null(settings.MaxOutputTokens);
        Assert.Equal(settings, Read(new ChatOptions()) with { StopSequences = settings.StopSequences });
    }

    [Fact]
    public void Every_sampling_option_arrives()
    {
        RequestSettings settings = Read(new ChatOptions
        {
            Instructions = "Be short.",
            Temperature = 0.7f,
            TopP = 0.9f,
            TopK = 40,
            FrequencyPenalty = 0.1f,
            PresencePenalty = 0.2f,
            Seed = 42,
            MaxOutputTokens = 5,
            StopSequences = ["\n"],
            ModelId = "KVCHAT tiny",
            AdditionalProperties = new() { ["min_p"] = 0.05, ["repetition_penalty"] = "1.1" },
        });
        Assert.Equal(
            new SamplingOptions { Temperature = 0.7f, TopP = 0.9f, TopK = 40, MinP = 0.05f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f, PresencePenalty = 0.2f, Seed = 42 },
            settings.Sampling);
        Assert.Equal("Be short.", settings.Instructions);
        Assert.Equal(5, settings.MaxOutputTokens);
        Assert.Equal(["\n"], settings.StopSequences);
    }

    [Fact]
    public void Narrowing_the_choice_without_a_temperature_means_drawing()
    {
        Assert.Equal(1, Read(new ChatOptions { TopP = 0.9f }).Sampling.Temperature);
        Assert.Equal(0, Read(new ChatOptions { TopP = 0.9f, Temperature = 0 }).Sampling.Temperature);
        Assert.Equal(0, Read(new ChatOptions { Seed = 1 }).Sampling.Temperature);
    }

    [Theory]
    [InlineData("0.25")]
    [InlineData("\"0.25\"")]
    public void Numbers_may_be_json_elements_nodes_or_strings(string json)
    {
        JsonElement element = JsonDocument.Parse(json).RootElement;
        object[] values = [element, JsonNode.Parse(json)!, "0.25", 0.25, 0.25f, 0.25m];
        foreach (object value in values)
        {
            KvCompression compression = Read(new ChatOptions { AdditionalProperties = new() { ["kv_retained_ratio"] = value } }).Compression;
            Assert.Equal(0.25, compression.RetainedRatio);
            Assert.Equal("kv-compress", compression.Policy);
        }
    }

    [Fact]
    public void A_threshold_takes_the_place_of_the_standards_amount_and_an_amount_that_of_its_thresholds()
    {
        KvCompression ratio = new() { Policy = "leankv", RetainedRatio = 0.25 }, thresholds = new() { Policy = "leankv", DropThreshold = 0.5 };
        Assert.Equal(thresholds, CompressionProperties.Read(new() { ["kv_drop_threshold"] = 0.5 }, ratio));
        Assert.Equal(ratio, CompressionProperties.Read(new() { ["kv_retained_ratio"] = 0.25 }, thresholds));
        Assert.Equal(ratio, CompressionProperties.Read(new() { ["kv_drop_threshold"] = null }, ratio));
    }

    [Fact]
    public void Typed_compression_comes_back_as_it_was_even_through_json()
    {
        // A quality goes without an amount, so it takes two to say everything.
        KvCompression[] all =
        [
            new()
            {
                Policy = "keydiff", Allocator = "global", RetainedRatio = 0.125, RetainedKvs = 300, Schedule = CompressionSchedule.WhileReading, Query = CompressionQuery.Unknown, Format = KvFormat.F32,
                LowFormat = KvFormat.K4V2, HighShare = 0.25, ObservationWindow = 16, PoolWidth = 15, Squared = false, ProtectedTokens = 20, SinkTokens = 2, ChunkTokens = 128, DecodeInterval = 0, UnderPressure = true,
            },
            new() { MinQuality = 0.97 },
            new() { Policy = "leankv", DropThreshold = 0.02, LowThreshold = 1.5, LowFormat = KvFormat.K4V2 },
        ];
        // A setting that is added must come through too.
        Assert.All(
            typeof(KvCompression).GetProperties().Where(p => p.CanWrite),
            p => Assert.Contains(all, c => !Equals(p.GetValue(new KvCompression()), p.GetValue(c))));
        foreach (KvCompression wanted in all)
        {
            ChatOptions options = new ChatOptions().WithKvCompression(wanted);
            Assert.Equal(wanted, Read(options).Compression);
            string json = JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions);
            Assert.Equal(wanted, Read(JsonSerializer.Deserialize<ChatOptions>(json, AIJsonUtilities.DefaultOptions)).Compression);
            Assert.Equal(KvCompression.Off, Read(options.Clone().WithKvCompression(KvCompression.Off)).Compression);
            Assert.All(all, other => Assert.Equal(other, Read(options.Clone().WithKvCompression(other)).Compression));
        }
    }

    [Fact]
    public void A_quality_and_an_amount_replace_each_other_where_only_one_is_said()
    {
        KvCompression Said(KvCompression standard, params (string Name, object Value)[] properties) => new OptionReader(new NoClient(), NullLogger.Instance).Read(
            new ChatOptions { AdditionalProperties = new(properties.Select(p => KeyValuePair.Create<string, object?>(p.Name, p.Value))) }, Defaults with { Compression = standard }, new TemplateTraits()).Compression;
        Assert.Equal(new KvCompression { MinQuality = 0.9 }, Said(new KvCompression { RetainedKvs = 400, RetainedRatio = 0.5 }, ("kv_min_quality", "0.9")));
        Assert.Equal(new KvCompression { MinQuality = 0.9 }, Said(KvCompression.Off, ("kv_min_quality", 0.9)));
        Assert.Equal(new KvCompression { RetainedRatio = 0.5 }, Said(KvCompression.Safe, ("kv_retained_ratio", 0.5)));
        Assert.Equal(new KvCompression { RetainedKvs = 400 }, Said(KvCompression.Safe, ("kv_retained_kvs", 400)));
        Assert.Equal(KvCompression.Off, Said(KvCompression.Safe, ("kv_policy", "off")));
        Assert.Equal(KvCompression.Safe with { PoolWidth = 7 }, Said(KvCompression.Safe, ("kv_pool_width", 7)));
    }

    [Fact]
    public void Words_may_be_enums_and_case_does_not_count()
    {
        KvCompression compression = Read(new ChatOptions
        {
            AdditionalProperties = new() { ["kv_retained_kvs"] = 400L, ["kv_schedule"] = "While_Reading", ["kv_query"] = CompressionQuery.Unknown, ["kv_format"] = "F32", ["kv_squared"] = "false" },
        }).Compression;
        Assert.Equal(
            new KvCompression { RetainedKvs = 400, Schedule = CompressionSchedule.WhileReading, Query = CompressionQuery.Unknown, Format = KvFormat.F32, Squared = false },
            compression with { RetainedRatio = 1 });
    }

    [Theory]
    [InlineData("kv_retained_ratio", "much", "kv_retained_ratio")]
    [InlineData("kv_retained_ratio", 1.5, "RetainedRatio is 1.5")]
    [InlineData("kv_pool_width", 8, "PoolWidth is 8")]
    [InlineData("kv_pool_width", 7.5, "kv_pool_width")]
    [InlineData("kv_policy", "magic", "magic")]
    [InlineData("kv_schedule", "later", "after, during")]
    [InlineData("kv_under_pressure", "perhaps", "true or false")]
    [InlineData("kv_retained", 0.5, "kv_retained_ratio")]
    public void A_wrong_setting_of_ours_is_an_error_that_says_what_would_be_right(string name, object value, string part)
    {
        ArgumentException error = Assert.ThrowsAny<ArgumentException>(() => Read(new ChatOptions { AdditionalProperties = new() { [name] = value } }));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_honoured_is_refused_by_name()
    {
#pragma warning disable MEAI001 // experimental; only to see it refused
        (string, ChatOptions)[] refused =
        [
            ("Tools", new ChatOptions { Tools = [new HostedWebSearchTool()] }),
            ("ConversationId", new ChatOptions { ConversationId = "1" }),
            ("ModelId", new ChatOptions { ModelId = "another" }),
            ("AllowBackgroundResponses", new ChatOptions { AllowBackgroundResponses = true }),
            ("Reasoning", new ChatOptions { Reasoning = new() { Effort = ReasoningEffort.High } }),
            ("Reasoning.Output", new ChatOptions { Reasoning = new() { Output = ReasoningOutput.Summary } }),
            ("RawRepresentationFactory", new ChatOptions { RawRepresentationFactory = _ => new object() }),
            ("logit_bias", new ChatOptions { AdditionalProperties = new() { ["logit_bias"] = 1 } }),
        ];
#pragma warning restore MEAI001
        foreach ((string name, ChatOptions options) in refused)
            Assert.Contains(name, Assert.Throws<NotSupportedException>(() => Read(options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_changes_nothing_is_fine()
    {
        Read(new ChatOptions
        {
            Tools = [],
            ToolMode = ChatToolMode.Auto,
            AllowMultipleToolCalls = true,
            ResponseFormat = ChatResponseFormat.Text,
            ModelId = "tiny",
            Reasoning = new() { Effort = ReasoningEffort.None },
            AdditionalProperties = new() { ["middleware.note"] = new object() },
        });
        Read(new ChatOptions { ToolMode = ChatToolMode.None });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void An_answer_of_no_tokens_is_an_error(int most) =>
        Assert.Contains("MaxOutputTokens", Assert.Throws<ArgumentException>(() => Read(new ChatOptions { MaxOutputTokens = most })).Message, StringComparison.Ordinal);

    [Fact]
    public void Values_out_of_range_are_errors_that_name_them()
    {
        Assert.Contains("TopP", Assert.Throws<ArgumentException>(() => Read(new ChatOptions { TopP = 2 })).Message, StringComparison.Ordinal);
        Assert.Contains("Temperature", Assert.Throws<ArgumentException>(() => Read(new ChatOptions { Temperature = -1 })).Message, StringComparison.Ordinal);
        Assert.Contains("StopSequences", Assert.Throws<ArgumentException>(() => Read(new ChatOptions { StopSequences = [""] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Thinking_is_switched_where_the_template_can()
    {
        var traits = new TemplateTraits { CanSwitchThinking = true };
        Assert.Equal(new ThinkingSettings(true, ReasoningEffort.Low), Read(new ChatOptions { Reasoning = new() { Effort = ReasoningEffort.Low } }, traits).Thinking);
        Assert.False(Read(new ChatOptions { Reasoning = new() { Effort = ReasoningEffort.None } }, traits).Thinking.Enabled);
        Assert.False(Read(new ChatOptions { AdditionalProperties = new() { ["enable_thinking"] = "false" } }, traits).Thinking.Enabled);
        Assert.Null(Read(new ChatOptions(), traits).Thinking.Enabled);
    }

    [Fact]
    public void Typed_settings_may_come_from_the_raw_factory()
    {
        Assert.Equal(0.3f, Read(new ChatOptions { RawRepresentationFactory = _ => new SamplingOptions { MinP = 0.3f } }).Sampling.MinP);
        Assert.Equal(0.5, Read(new ChatOptions { RawRepresentationFactory = _ => new KvCompression { RetainedRatio = 0.5 } }).Compression.RetainedRatio);
    }

    [Fact]
    public void Typed_compression_replaces_all_of_the_clients_default()
    {
        RequestDefaults defaults = Defaults with { Compression = new KvCompression { RetainedKvs = 900, PoolWidth = 15, SinkTokens = 9, LowFormat = KvFormat.K4V2 } };
        var wanted = new KvCompression { RetainedRatio = 0.5 };
        ChatOptions options = new ChatOptions().WithKvCompression(wanted);
        string json = JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions);
        foreach (ChatOptions said in (ChatOptions[])[options, JsonSerializer.Deserialize<ChatOptions>(json, AIJsonUtilities.DefaultOptions)!])
            Assert.Equal(wanted, new OptionReader(new NoClient(), NullLogger.Instance).Read(said, defaults, new TemplateTraits()).Compression);
    }

    [Fact]
    public void A_value_of_a_foreign_type_is_an_error_and_null_says_nothing()
    {
        Assert.Throws<ArgumentException>(() => Read(new ChatOptions { AdditionalProperties = new() { ["kv_retained_ratio"] = new object() } }));
        Assert.Throws<ArgumentException>(() => Read(new ChatOptions { AdditionalProperties = new() { ["min_p"] = new object() } }));
        Assert.True(Read(new ChatOptions { AdditionalProperties = new() { ["kv_retained_ratio"] = null } }).Compression.IsOff);
    }

    [Fact]
    public void Options_are_not_changed()
    {
        ChatOptions options = new ChatOptions { Temperature = 0.5f }.WithKvCompression(new KvCompression { RetainedRatio = 0.5 });
        string before = JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions);
        Read(options);
        Assert.Equal(before, JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions));
    }

    private static RequestSettings Read(ChatOptions? options, TemplateTraits? traits = null) =>
        new OptionReader(new NoClient(), NullLogger.Instance).Read(options, Defaults, traits ?? new TemplateTraits());

    private sealed class NoClient : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
