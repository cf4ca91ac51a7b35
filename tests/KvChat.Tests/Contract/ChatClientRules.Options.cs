using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>Every option has its effect, or is refused by name.</summary>
public static partial class ChatClientRules
{
    /// <summary>Enough for an answer to say something twice, which penalties are about.</summary>
    private const int SampleTokens = 28;

    public static async Task Instructions_stand_before_the_other_messages(ContractSubject s)
    {
        List<ChatMessage> user = [.. s.Ask().Where(m => m.Role != ChatRole.System)];
        ChatResponse system = await s.Answer(s.Greedy(null), [new ChatMessage(ChatRole.System, "Answer in one sentence."), .. user]);
        ChatOptions options = s.Greedy(null);
        options.Instructions = "Answer in one sentence.";
        ChatResponse instructed = await s.Answer(options, user);
        Assert.Equal((system.Text, system.Usage!.InputTokenCount), (instructed.Text, instructed.Usage!.InputTokenCount));
    }

    public static async Task Temperature_zero_gives_one_answer_and_a_high_one_many(ContractSubject s)
    {
        string greedy = (await s.Answer(s.Greedy(SampleTokens))).Text;
        Assert.Equal(greedy, (await s.Answer(s.Greedy(SampleTokens))).Text);
        Assert.Contains(await Samples(s, new ChatOptions { Temperature = 2 }), t => t != greedy);
    }

    public static async Task A_seed_gives_its_answer_again(ContractSubject s)
    {
        string[] first = await Samples(s, new ChatOptions { Temperature = 2 }), second = await Samples(s, new ChatOptions { Temperature = 2 });
        Assert.Equal(first, second);
        Assert.True(first.Distinct().Count() > 1, "every seed gave the same answer");
    }

    public static Task Top_k_of_one_is_greedy(ContractSubject s) => IsGreedy(s, new ChatOptions { Temperature = 2, TopK = 1 });

    public static Task A_tiny_top_p_is_greedy(ContractSubject s) => IsGreedy(s, new ChatOptions { Temperature = 2, TopP = 1e-6f });

    public static Task Min_p_of_one_is_greedy_as_number_text_or_json(ContractSubject s) => AllGreedy(
        s,
        new ChatOptions { Temperature = 2, AdditionalProperties = new() { ["min_p"] = 1.0 } },
        new ChatOptions { Temperature = 2, AdditionalProperties = new() { ["min_p"] = "1" } },
        new ChatOptions { Temperature = 2, AdditionalProperties = new() { ["min_p"] = JsonDocument.Parse("1").RootElement } });

    public static Task A_frequency_penalty_has_an_effect(ContractSubject s) => Changes(s, o => o.FrequencyPenalty = 2);

    public static Task A_presence_penalty_has_an_effect(ContractSubject s) => Changes(s, o => o.PresencePenalty = 2);

    public static Task A_repetition_penalty_has_an_effect(ContractSubject s) => Changes(s, o => o.AdditionalProperties = new() { ["repetition_penalty"] = 2.0 });

    public static async Task The_answer_is_as_long_as_allowed_and_not_cut_without(ContractSubject s)
    {
        ChatResponse cut = await s.Answer(s.Greedy(2));
        Assert.Equal(2, cut.Usage!.OutputTokenCount);
        ChatResponse whole = await s.Answer(s.Greedy(null));
        Assert.Equal(ChatFinishReason.Stop, whole.FinishReason);
        Assert.StartsWith(cut.Text.TrimEnd('\uFFFD'), whole.Text, StringComparison.Ordinal);
    }

    public static async Task Stop_sequences_are_matched_over_text(ContractSubject s)
    {
        string whole = (await s.Answer(s.Greedy(null))).Text;
        for (int at = 1; at + 5 < whole.Length; at += 4)
        {
            string stop = whole.Substring(at, 5);
            ChatOptions options = s.Greedy(null);
            options.StopSequences = ["never there", stop];
            ChatResponse response = await s.Answer(options);
            Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], response.Text);
            Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
            Assert.Equal(response.Text, (await s.Updates(options)).ToChatResponse().Text);
        }
    }

    public static async Task Its_own_model_id_is_accepted_and_another_is_not_passed_over(ContractSubject s)
    {
        ChatOptions options = s.Greedy(2);
        options.ModelId = ((ChatClientMetadata)s.Client.GetService(typeof(ChatClientMetadata))!).DefaultModelId;
        Assert.NotNull((await s.Answer(options)).FinishReason);
        options.ModelId = "no-such-model";
        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => s.Answer(options));
        Assert.Contains("no-such-model", error.Message, StringComparison.Ordinal);
    }

    public static async Task A_raw_representation_factory_is_asked(ContractSubject s)
    {
        object? asked = null;
        ChatOptions options = s.Greedy(2);
        options.RawRepresentationFactory = c =>
        {
            asked = c;
            return null;
        };
        await OrRefused(nameof(ChatOptions.RawRepresentationFactory), must: false, async () =>
        {
            await s.Answer(options);
            Assert.IsType<IChatClient>(asked, exactMatch: false);
        });
    }

    public static async Task Background_answers_and_continuations_are_refused_by_name(ContractSubject s)
    {
#pragma warning disable MEAI001 // experimental: that they are refused is what is asked
        await Refused(s, nameof(ChatOptions.AllowBackgroundResponses), new ChatOptions { AllowBackgroundResponses = true });
        await Refused(s, nameof(ChatOptions.ContinuationToken), new ChatOptions { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) });
#pragma warning restore MEAI001
    }

    private static async Task<string[]> Samples(ContractSubject s, ChatOptions options)
    {
        List<string> texts = [];
        for (int seed = 1; seed <= 6; seed++)
        {
            ChatOptions seeded = options.Clone();
            (seeded.Seed, seeded.MaxOutputTokens) = (seed, SampleTokens);
            texts.Add((await s.Answer(seeded)).Text);
        }

        return [.. texts];
    }

    private static async Task Changes(ContractSubject s, Action<ChatOptions> set)
    {
        ChatOptions plain = new() { Temperature = 2 }, changed = new() { Temperature = 2 };
        set(changed);
        Assert.NotEqual(await Samples(s, plain), await Samples(s, changed));
    }

    private static Task IsGreedy(ContractSubject s, ChatOptions options) => AllGreedy(s, options);

    private static async Task AllGreedy(ContractSubject s, params ChatOptions[] all)
    {
        string greedy = (await s.Answer(s.Greedy(SampleTokens))).Text;
        foreach (ChatOptions options in all)
            Assert.All(await Samples(s, options), t => Assert.Equal(greedy, t));
    }
}
