using System.Text.Json;
using KvChat.Models;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Tests.Client;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Tests;

/// <summary>The code of provider/README.md, compiled and run: every block there must stand here, line by line.</summary>
public sealed class ReadmeSamples
{
    [Fact]
    public async Task A_client_without_a_container()
    {
        string document = EmbeddedClient.Document(20), question = EmbeddedClient.Question;
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions
        {
            Model = KvCompressChatOptions.EmbeddedModel, // or a file, hf:owner/name:Q4_K_M, ollama:name
            CacheBytes = 64L << 20,                      // one budget; sessions are as many as fit
        });

        ChatMessage ask = new(ChatRole.User, [new TextContent(document), new TextContent(question)]);
        ChatOptions options = new ChatOptions { Instructions = "Answer from the document only." }
            .WithKvCompression(new KvCompression { RetainedRatio = 0.25 });

        ChatResponse response = await client.GetResponseAsync([ask], options);
        KvUsage usage = response.GetKvUsage()!; // seen, kept, evicted, bytes
        Assert.True(usage.Evicted > 0);
    }

    [Fact]
    public async Task A_document_that_stays()
    {
        string document = EmbeddedClient.Document(20), question = EmbeddedClient.Question;
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { CacheBytes = 64L << 20 });
        using KvDocument resident = await client.PrepareDocumentAsync(document, new KvDocumentOptions { Instructions = "Answer from the document only." });
        ChatMessage about = new(ChatRole.User, [resident.AsContent(), new TextContent(question)]);
        ChatResponse answer = await client.GetResponseAsync([about], new ChatOptions { Instructions = "Answer from the document only." });
        CapacityPlan plan = client.PlanCapacity(tokens: 1000); // sessions at once, bytes of each, peak bytes, budget
        Assert.Equal(resident.Usage.Tokens, answer.Usage!.CachedInputTokenCount);
        Assert.True(plan.Sessions > 0);
    }

    [Fact]
    public async Task Where_a_model_lies()
    {
        string name = KvCompressChatOptions.EmbeddedModel;
        IProgress<ModelDownloadProgress>? progress = null;
        CancellationToken cancellationToken = CancellationToken.None;
        LocatedModel model = await new ModelLocator().LocateAsync(name, progress, cancellationToken);
        Assert.True(File.Exists(model.Path));
    }

    [Fact]
    public void Registration()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create("KvChat:CacheBytes", (string?)"64 MiB")]).Build();
        var services = new ServiceCollection();
        services.AddKvCompressChatClient(o =>
        {
            o.CacheBytes = 64L << 20;
            o.MaxQueuedRequests = 32;
        });
        services.AddKeyedKvCompressChatClient("from settings", configuration.GetSection("KvChat"));
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.NotSame(provider.GetRequiredService<IChatClient>(), provider.GetRequiredKeyedService<IChatClient>("from settings"));
    }

    [Fact]
    public void Health()
    {
        var services = new ServiceCollection();
        services.AddKvCompressChatClient(o => o.LoadInBackground = true);
        services.AddHealthChecks().AddKvChat(tags: ["ready"], configure: o => o.FullPoolLimit = TimeSpan.FromMinutes(1));
        using ServiceProvider provider = services.AddLogging().BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckService>());
    }

    [Fact]
    public void Plain_options()
    {
        ChatOptions plain = new()
        {
            Temperature = 0.7f,
            StopSequences = ["\n\n"],
            AdditionalProperties = new() { ["kv_retained_ratio"] = "0.125", ["kv_schedule"] = "during", ["min_p"] = 0.05 },
        };
        Assert.Equal(3, plain.AdditionalProperties.Count);
    }

    [Fact]
    public void Retention()
    {
        const string oldMinutes = "", contractText = "";
        ChatMessage minutes = new ChatMessage(ChatRole.User, oldMinutes).WithRetention(KvRetention.Droppable);
        ChatMessage contract = new ChatMessage(ChatRole.User, contractText).WithRetention(KvRetention.Pinned);
        Assert.NotEqual(minutes.AdditionalProperties![KvOptionNames.Retention], contract.AdditionalProperties![KvOptionNames.Retention]);
    }

    [Fact]
    public async Task Tools()
    {
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { CacheBytes = 16L << 20 });
        AIFunction ticket = AIFunctionFactory.Create((string code) => $"T-{code}", "find_ticket", "Find the ticket of something.");
        List<ChatMessage> history = [new(ChatRole.User, "Find the ticket of C8-7040.")];
        ChatOptions tools = new() { Tools = [ticket], ToolMode = ChatToolMode.RequireAny, AllowMultipleToolCalls = false };
        ChatResponse called = await client.GetResponseAsync(history, tools);
        history.AddRange(called.Messages);
        foreach (FunctionCallContent call in called.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>())
        {
            object? result = await ticket.InvokeAsync(new AIFunctionArguments(call.Arguments));
            history.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, result)]));
        }

        Assert.Equal(3, history.Count);
    }

    [Fact]
    public async Task Forms()
    {
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { CacheBytes = 16L << 20 });
        JsonElement schema = JsonDocument.Parse("""{"type":"object","properties":{"sure":{"type":"boolean"}},"required":["sure"],"additionalProperties":false}""").RootElement;
        ChatOptions form = new()
        {
            ResponseFormat = ChatResponseFormat.ForJsonSchema(schema),
            AdditionalProperties = new() { ["logprobs"] = true, ["top_logprobs"] = 3 },
        };
        ChatOptions code = new() { AdditionalProperties = new() { ["regex"] = "[A-Z]{2}-[0-9]{4}" } }; // or "grammar"
        Assert.Matches("sure", (await client.GetResponseAsync("Are you?", form)).Text);
        Assert.Matches("^[A-Z]{2}-[0-9]{4}$", (await client.GetResponseAsync("Which?", code)).Text);
    }

    [Fact]
    public void Every_sample_of_the_readme_stands_here()
    {
        string[] readme = File.ReadAllLines(Path.Combine(SharedFiles.Repository, "provider", "README.md"));
        string here = Squeezed(File.ReadAllLines(Path.Combine(SharedFiles.Repository, "tests", "KvChat.Tests", "ReadmeSamples.cs")));
        int samples = 0;
        for (int i = 0; i < readme.Length; i++)
        {
            if (readme[i] != "```csharp")
                continue;
            int end = Array.IndexOf(readme, "```", i);
            Assert.Contains(Squeezed(readme[(i + 1)..end]), here, StringComparison.Ordinal);
            samples++;
        }

        Assert.Equal(9, samples);
    }

    private static string Squeezed(IEnumerable<string> lines) => string.Join('\n', lines.Select(l => l.Trim()).Where(l => l.Length > 0));
}
