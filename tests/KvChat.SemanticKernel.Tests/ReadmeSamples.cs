using System.ComponentModel;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace KvChat.SemanticKernel.Tests.Samples;

/// <summary>The code of the package's README, compiled and run: every block there must stand here, line by line.</summary>
public sealed class ReadmeSamples
{
    [Fact]
    public async Task A_kernel_with_a_plugin_and_a_stream()
    {
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.AddKvCompressChatClient(o =>
        {
            o.Model = KvCompressChatOptions.EmbeddedModel; // or a file, hf:owner/name:Q4_K_M, ollama:name
            o.CacheBytes = 64L << 20;                      // one budget; sessions are as many as fit
        });
        builder.Plugins.AddFromType<Tickets>();
        Kernel kernel = builder.Build(); // starts no host: the first request loads the model

        PromptExecutionSettings settings = new() { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        FunctionResult answer = await kernel.InvokePromptAsync("Find the ticket of C8-7040.", new KernelArguments(settings));
        Assert.Contains("4471", answer.GetValue<string>(), StringComparison.Ordinal);

        string document = SharedKernel.Document(12), question = SharedKernel.Question;
        IChatCompletionService chat = kernel.GetRequiredService<IChatCompletionService>();
        ChatHistory history = new("Answer from the document only.");
        history.AddUserMessage($"{document}\n\n{question}");
        await foreach (StreamingChatMessageContent part in chat.GetStreamingChatMessageContentsAsync(history))
            Console.Write(part.Content);
        (kernel.Services as IDisposable)?.Dispose();
    }

    [Fact]
    public void Several_models_and_settings()
    {
        IKernelBuilder several = Kernel.CreateBuilder()
            .AddKvCompressChatClient(o => o.ModelId = "careful", serviceId: "documents")
            .AddKvCompressChatClient(o => o.ModelId = "quick", serviceId: "chat");
        KernelArguments byId = new(new PromptExecutionSettings { ServiceId = "documents" });
        KernelArguments byModel = new(new PromptExecutionSettings { ModelId = "quick" });
        Assert.Equal((1, 1), (byId.ExecutionSettings!.Count, byModel.ExecutionSettings!.Count));
        Assert.NotNull(several.Build().GetRequiredService<IChatCompletionService>("chat"));

        PromptExecutionSettings plain = new()
        {
            ExtensionData = new Dictionary<string, object> { ["temperature"] = 0.2, ["max_tokens"] = 100, ["kv_retained_ratio"] = 0.25 },
        };
        KvCompressExecutionSettings typed = KvCompressExecutionSettings.Compressed(new KvCompression { RetainedRatio = 0.25 });
        Assert.NotNull(plain.ExtensionData);
        Assert.NotNull(typed.Options);
    }

    [Fact]
    public void Every_sample_of_the_readme_stands_here()
    {
        IReadOnlyList<string> samples = ReadmeCode.Samples("provider/KvChat.SemanticKernel/README.md");
        Assert.Equal(5, samples.Count);
        string here = ReadmeCode.Of("tests/KvChat.SemanticKernel.Tests/ReadmeSamples.cs");
        Assert.All(samples, sample => Assert.Contains(sample, here, StringComparison.Ordinal));
    }
}

public sealed class Tickets
{
    [KernelFunction("find_ticket"), Description("Find the ticket of something.")]
    public string Find(string code) => code == "C8-7040" ? "4471" : "unknown";
}
