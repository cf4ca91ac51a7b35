using System.Text.Json;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace KvChat.Middleware.Tests;

/// <summary>Microsoft Agent Framework on the client; it takes an <see cref="IChatClient"/> as it is.</summary>
[Collection(SharedClientTests.Name)]
public sealed class AgentTests(SharedClient shared)
{
    [Fact]
    public async Task An_agent_answers_about_a_long_document_calls_a_tool_and_answers_again_in_one_session()
    {
        List<string> asked = [];
        KvCompressChatClient client = shared.Client;
        string document = SharedClient.Document(120), question = SharedClient.Question;
        AITool findTicket = SharedClient.Tickets(asked);

        AIAgent agent = client.AsAIAgent(instructions: "Answer from the document only.", name: "clerk", tools: [findTicket]);
        AgentSession session = await agent.CreateSessionAsync();
        AgentResponse first = await agent.RunAsync($"{document}\n\n{question}", session);
        AgentResponse second = await agent.RunAsync("Find the ticket of C8-7040.", session); // reads only itself

        Assert.Equal(SharedClient.Answer, first.Text);
        Assert.Equal(["C8-7040"], asked);
        Assert.Contains("4471", second.Text, StringComparison.Ordinal);
        AgentResponse third = await agent.RunAsync(question, session);
        Assert.Equal(SharedClient.Answer, third.Text);
        Assert.True(third.Usage!.CachedInputTokenCount > first.Usage!.InputTokenCount, $"{third.Usage.CachedInputTokenCount} of {third.Usage.InputTokenCount} tokens were there");
    }

    [Fact]
    public async Task An_agents_options_reach_the_client_and_its_session_can_be_stored()
    {
        ChatClientAgent agent = shared.Client.AsAIAgent();
        AgentSession session = await agent.CreateSessionAsync();
        ChatOptions options = new ChatOptions { MaxOutputTokens = 40 }.WithKvCompression(new KvCompression { RetainedRatio = 0.5 });
        AgentResponse answer = await agent.RunAsync($"{SharedClient.Document(30)}\n\n{SharedClient.Question}", session, new ChatClientAgentRunOptions(options));
        Assert.Equal(SharedClient.Answer, answer.Text);
        Assert.Contains(answer.Usage!.AdditionalCounts!.Values, v => v > 0);
        JsonElement stored = await agent.SerializeSessionAsync(session);
        AgentSession restored = await agent.DeserializeSessionAsync(stored);
        Assert.Equal(SharedClient.Answer, (await agent.RunAsync(SharedClient.Question, restored)).Text);
    }

    [Fact]
    public async Task An_agent_streams()
    {
        List<string> parts = [];
        await foreach (AgentResponseUpdate update in shared.Client.AsAIAgent().RunStreamingAsync($"{SharedClient.Document(12)}\n\n{SharedClient.Question}"))
            parts.Add(update.Text);
        Assert.Equal(SharedClient.Answer, string.Concat(parts));
        Assert.True(parts.Count > 5, $"{parts.Count} parts");
    }

    [Fact]
    public void The_samples_of_the_page_stand_in_these_tests()
    {
        string here = ReadmeCode.Of("tests/KvChat.Middleware.Tests/AgentTests.cs") + ReadmeCode.Of("tests/KvChat.Middleware.Tests/PipelineSample.cs");
        IReadOnlyList<string> samples = ReadmeCode.Samples("provider/middleware.md");
        Assert.Equal(2, samples.Count);
        Assert.All(samples, sample => Assert.Contains(sample, here, StringComparison.Ordinal));
    }
}
