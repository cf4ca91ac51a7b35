using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>The contract over a client that has nothing to do with the product.</summary>
public sealed class FakeContractTests : ChatClientContract
{
    protected override ContractSubject Subject { get; } = Of(new FakeChatClient());

    internal static ContractSubject Of(IChatClient client) => new()
    {
        Client = client,
        Ask = () => [new(ChatRole.System, "You are a parrot."), new(ChatRole.User, "A quick brown fox jumps over a lazy dog and a dog.")],
        Others = [.. new[] { "one and one", "two and two", "three and four", "nobody knows" }.Select(t => new List<ChatMessage> { new(ChatRole.User, t) })],
        TooLong = () => [new(ChatRole.User, new string('x', 10_000))],
        MustSupportTools = true,
        MustSupportJson = true,
    };
}

/// <summary>The contract can fail: every rule has a flaw that breaks it, and each flaw is noticed by its rule.</summary>
public sealed class ContractCanFailTests
{
    private static readonly Dictionary<Flaw, string> NoticedBy = new()
    {
        [Flaw.NullIsFoundLate] = nameof(ChatClientRules.Null_messages_throw_at_once),
        [Flaw.KeyIsIgnored] = nameof(ChatClientRules.Services_follow_the_rules),
        [Flaw.NoMetadata] = nameof(ChatClientRules.Metadata_name_the_provider_in_lower_case_and_the_model),
        [Flaw.ProviderInUpperCase] = nameof(ChatClientRules.Metadata_name_the_provider_in_lower_case_and_the_model),
        [Flaw.EmptyContentThrows] = nameof(ChatClientRules.Null_options_and_empty_contents_are_fine),
        [Flaw.EnumeratesTwice] = nameof(ChatClientRules.Messages_are_enumerated_once),
        [Flaw.UnknownContentIsText] = nameof(ChatClientRules.Unknown_content_is_ignored),
        [Flaw.ImageIsIgnored] = nameof(ChatClientRules.An_image_to_a_text_model_is_a_clear_error),
        [Flaw.SharedState] = nameof(ChatClientRules.Concurrent_calls_do_not_mix),
        [Flaw.ChangesOptions] = nameof(ChatClientRules.Neither_options_nor_messages_are_changed),
        [Flaw.TokenIsIgnored] = nameof(ChatClientRules.A_cancelled_token_ends_the_call),
        [Flaw.EnumeratorTokenIsIgnored] = nameof(ChatClientRules.Cancelling_between_two_updates_ends_the_stream),
        [Flaw.CutsThePrompt] = nameof(ChatClientRules.A_prompt_that_cannot_be_served_is_an_error_that_says_by_how_much),
        [Flaw.NoMessageId] = nameof(ChatClientRules.Every_update_carries_role_ids_time_and_model),
        [Flaw.ConversationIdWithoutHistory] = nameof(ChatClientRules.A_client_without_history_gives_no_conversation_id),
        [Flaw.ConversationIdIsIgnored] = nameof(ChatClientRules.A_client_without_history_gives_no_conversation_id),
        [Flaw.UsageTwice] = nameof(ChatClientRules.Usage_comes_once_and_late_and_adds_up),
        [Flaw.FinishReasonTwice] = nameof(ChatClientRules.The_finish_reason_comes_once_and_last),
        [Flaw.OnePiece] = nameof(ChatClientRules.Text_comes_piece_by_piece),
        [Flaw.TwoMessages] = nameof(ChatClientRules.Appended_updates_make_one_message_with_one_text),
        [Flaw.StreamDiffers] = nameof(ChatClientRules.A_response_equals_the_updates_together),
        [Flaw.ContentThatJsonDoesNotKnow] = nameof(ChatClientRules.A_response_survives_json),
        [Flaw.HistoryIsForgotten] = nameof(ChatClientRules.A_conversation_goes_on_with_its_answers),
        [Flaw.AlwaysStop] = nameof(ChatClientRules.Length_and_stop_are_told_apart),
        [Flaw.InstructionsAreIgnored] = nameof(ChatClientRules.Instructions_stand_before_the_other_messages),
        [Flaw.InstructionsStandLast] = nameof(ChatClientRules.Instructions_stand_before_the_other_messages),
        [Flaw.TemperatureIsIgnored] = nameof(ChatClientRules.Temperature_zero_gives_one_answer_and_a_high_one_many),
        [Flaw.GreedyIsRandom] = nameof(ChatClientRules.Temperature_zero_gives_one_answer_and_a_high_one_many),
        [Flaw.SeedIsIgnored] = nameof(ChatClientRules.A_seed_gives_its_answer_again),
        [Flaw.TopKIsIgnored] = nameof(ChatClientRules.Top_k_of_one_is_greedy),
        [Flaw.TopPIsIgnored] = nameof(ChatClientRules.A_tiny_top_p_is_greedy),
        [Flaw.TextIsNoNumber] = nameof(ChatClientRules.Min_p_of_one_is_greedy_as_number_text_or_json),
        [Flaw.FrequencyPenaltyIsIgnored] = nameof(ChatClientRules.A_frequency_penalty_has_an_effect),
        [Flaw.PresencePenaltyIsIgnored] = nameof(ChatClientRules.A_presence_penalty_has_an_effect),
        [Flaw.RepetitionPenaltyIsIgnored] = nameof(ChatClientRules.A_repetition_penalty_has_an_effect),
        [Flaw.SmallDefaultLength] = nameof(ChatClientRules.The_answer_is_as_long_as_allowed_and_not_cut_without),
        [Flaw.LimitIsIgnored] = nameof(ChatClientRules.The_answer_is_as_long_as_allowed_and_not_cut_without),
        [Flaw.StopWithinATokenOnly] = nameof(ChatClientRules.Stop_sequences_are_matched_over_text),
        [Flaw.ModelIdIsIgnored] = nameof(ChatClientRules.Its_own_model_id_is_accepted_and_another_is_not_passed_over),
        [Flaw.FactoryIsIgnored] = nameof(ChatClientRules.A_raw_representation_factory_is_asked),
        [Flaw.BackgroundIsIgnored] = nameof(ChatClientRules.Background_answers_and_continuations_are_refused_by_name),
        [Flaw.RefusesWithoutName] = nameof(ChatClientRules.Background_answers_and_continuations_are_refused_by_name),
        [Flaw.ArgumentsAreText] = nameof(ChatClientRules.A_required_call_comes_as_one_late_update_with_arguments_after_the_schema),
        [Flaw.CallsAnyTool] = nameof(ChatClientRules.A_required_tool_is_the_one_that_is_called),
        [Flaw.CallsAgainstMode] = nameof(ChatClientRules.Without_tool_mode_none_is_called),
        [Flaw.CallsTwice] = nameof(ChatClientRules.One_call_at_most_where_several_are_not_allowed),
        [Flaw.ResultIsIgnored] = nameof(ChatClientRules.The_result_of_a_call_goes_back),
        [Flaw.HostedToolIsIgnored] = nameof(ChatClientRules.A_tool_that_a_service_would_host_is_refused_by_name),
        [Flaw.JsonIsProse] = nameof(ChatClientRules.Json_is_json),
        [Flaw.SchemaIsIgnored] = nameof(ChatClientRules.Json_follows_its_schema),
    };

    public static TheoryData<string> Flaws => [.. Enum.GetNames<Flaw>().Where(n => n != nameof(Flaw.None))];

    [Fact]
    public void Every_rule_has_a_flaw_that_breaks_it() => Assert.Equal(ChatClientRules.Names, NoticedBy.Values.Distinct().Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task A_flaw_is_noticed(string name)
    {
        Flaw flaw = Enum.Parse<Flaw>(name);
        Exception? noticed = await Record.ExceptionAsync(() => ChatClientRules.Check(NoticedBy[flaw], FakeContractTests.Of(new FakeChatClient(flaw))));
        Assert.NotNull(noticed);
    }
}
