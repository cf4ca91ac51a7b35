using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using ChatMessageContent = Microsoft.SemanticKernel.ChatMessageContent;

namespace KvChat.SemanticKernel.Tests;

/// <summary>Plugins through the embedded model, which was trained to call functions named as a kernel names them.</summary>
[Collection(SharedKernelTests.Name)]
public sealed class PluginTests(SharedKernel shared)
{
    private const string Ask = "Find the ticket of C8-7040.";

    private static KernelArguments Auto => new(new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() });

    [Fact]
    public async Task A_template_calls_a_plugin_and_the_model_reads_what_it_gave()
    {
        Kernel kernel = shared.Kernel;
        kernel.Plugins.AddFromFunctions("Library", [KernelFunctionFactory.CreateFromMethod(() => SharedKernel.Document(12), "read")]);
        FunctionResult answer = await kernel.InvokePromptAsync("{{Library.read}}\n\n{{$question}}", new KernelArguments { ["question"] = SharedKernel.Question });
        Assert.Equal(SharedKernel.Answer, answer.GetValue<string>());
    }

    [Fact]
    public async Task Automatic_function_choice_calls_the_plugin_and_answers_with_its_result()
    {
        (Kernel kernel, Tickets tickets) = WithTickets();
        FunctionResult answer = await kernel.InvokePromptAsync(Ask, Auto);
        Assert.Equal(["C8-7040"], tickets.Asked);
        Assert.Contains("4471", answer.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Automatic_function_choice_works_in_a_stream()
    {
        (Kernel kernel, Tickets tickets) = WithTickets();
        string text = "";
        int parts = 0;
        await foreach (StreamingChatMessageContent part in kernel.InvokePromptStreamingAsync<StreamingChatMessageContent>(Ask, Auto))
        {
            text += part.Content;
            parts++;
        }

        Assert.Equal(["C8-7040"], tickets.Asked);
        Assert.Contains("4471", text, StringComparison.Ordinal);
        Assert.DoesNotContain("tool_call", text, StringComparison.Ordinal);
        Assert.True(parts > 5, $"{parts} parts");
    }

    [Fact]
    public async Task The_chat_client_service_calls_plugins_through_the_kernels_filters()
    {
        (Kernel kernel, Tickets tickets) = WithTickets();
        var filter = new CountingFilter();
        kernel.AutoFunctionInvocationFilters.Add(filter);
        ChatOptions options = Auto.ExecutionSettings!.Values.Single().ToChatOptions(kernel)!;
        ChatResponse response = await kernel.GetRequiredService<IChatClient>().GetResponseAsync(Ask, options);
        Assert.Equal(["C8-7040"], tickets.Asked);
        Assert.Equal(["Tickets_find_ticket"], filter.Called);
        Assert.Contains("4471", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_chat_completion_service_leaves_calls_and_results_in_the_history()
    {
        (Kernel kernel, Tickets tickets) = WithTickets();
        ChatHistory history = [];
        history.AddUserMessage(Ask);
        PromptExecutionSettings settings = Auto.ExecutionSettings!.Values.Single();
        ChatMessageContent answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, kernel);
        Assert.Single(tickets.Asked);
        Assert.Contains("4471", answer.Content, StringComparison.Ordinal);
        Assert.Equal([AuthorRole.User, AuthorRole.Assistant, AuthorRole.Tool], history.Select(m => m.Role));
    }

    [Fact]
    public async Task Without_automatic_invocation_the_call_comes_back_to_the_caller()
    {
        (Kernel kernel, Tickets tickets) = WithTickets();
        var settings = new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Required(autoInvoke: false) };
        ChatHistory history = [];
        history.AddUserMessage(Ask);
        ChatMessageContent answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, kernel);
        Assert.Empty(tickets.Asked);
        Microsoft.SemanticKernel.FunctionCallContent call = Assert.Single(Microsoft.SemanticKernel.FunctionCallContent.GetFunctionCalls(answer));
        Assert.Contains("find_ticket", call.FunctionName, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Streaming_through_both_service_types_gives_the_answer_in_parts()
    {
        Kernel kernel = shared.Kernel;
        string asked = $"{SharedKernel.Document(12)}\n\n{SharedKernel.Question}";
        List<string> parts = [];
        await foreach (StreamingChatMessageContent part in kernel.GetRequiredService<IChatCompletionService>().GetStreamingChatMessageContentsAsync(asked))
            parts.Add(part.Content ?? "");
        Assert.Equal(SharedKernel.Answer, string.Concat(parts));
        Assert.True(parts.Count > 5, $"{parts.Count} parts");
        parts.Clear();
        await foreach (ChatResponseUpdate update in kernel.GetRequiredService<IChatClient>().GetStreamingResponseAsync(asked))
            parts.Add(update.Text);
        Assert.Equal(SharedKernel.Answer, string.Concat(parts));
    }

    [Fact]
    public async Task Settings_choose_the_service_by_id_and_by_model_id_else_the_last_one_answers()
    {
        Kernel kernel = Kernel.CreateBuilder()
            .AddKvCompressChatClient(o => (o.ModelId, o.CacheBytes) = ("one", 8 << 20), "first")
            .AddKvCompressChatClient(o => (o.ModelId, o.CacheBytes) = ("two", 8 << 20), "second")
            .Build();
        using var services = kernel.Services as IDisposable;
        Assert.Equal("one", await Answering(kernel, new PromptExecutionSettings { ServiceId = "first" }));
        Assert.Equal("two", await Answering(kernel, new PromptExecutionSettings { ServiceId = "second" }));
        Assert.Equal("one", await Answering(kernel, new PromptExecutionSettings { ModelId = "one" }));
        Assert.Equal("two", await Answering(kernel, new PromptExecutionSettings { ModelId = "two" }));
        Assert.Equal("two", await Answering(kernel, null));
    }

    private static async Task<string?> Answering(Kernel kernel, PromptExecutionSettings? settings)
    {
        FunctionResult result = await kernel.InvokePromptAsync("Hello", settings is null ? [] : new KernelArguments(settings));
        return result.GetValue<ChatMessageContent>()!.ModelId;
    }

    private (Kernel Kernel, Tickets Tickets) WithTickets()
    {
        Kernel kernel = shared.Kernel;
        var tickets = new Tickets();
        kernel.Plugins.AddFromObject(tickets, "Tickets");
        return (kernel, tickets);
    }

    private sealed class CountingFilter : IAutoFunctionInvocationFilter
    {
        public List<string> Called { get; } = [];

        public Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            Called.Add($"{context.Function.PluginName}_{context.Function.Name}");
            return next(context);
        }
    }
}
