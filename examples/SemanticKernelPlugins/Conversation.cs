using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Agents;
using Microsoft.SemanticKernel.ChatCompletion;

namespace SemanticKernelPlugins;

/// <summary>The same questions and requests twice: through the kernel's automatic function choice, and by an agent.</summary>
internal sealed class Conversation
{
    private const string Instructions = "Answer from the document only.";

    private readonly Kernel _kernel;
    private readonly string _document;

    /// <summary>Gives the kernel its plugins.</summary>
    public Conversation(Kernel kernel, string document, TimeProvider clock, TextWriter output)
    {
        _kernel = kernel;
        _document = document;
        kernel.Plugins.AddFromObject(new DocumentPlugin(document), "Documents");
        kernel.Plugins.AddFromObject(new SumPlugin(), "Sums");
        kernel.Plugins.AddFromObject(new ClockPlugin(clock), "Times");
        kernel.Plugins.AddFromObject(new OrderPlugin(), "Orders");
        kernel.AutoFunctionInvocationFilters.Add(new Calls(this, output));
    }

    /// <summary>Functions that the model has called.</summary>
    public List<string> Called { get; } = [];

    /// <summary>What is asked when nothing else is, in the embedded model's language.</summary>
    public static string[] Questions { get; } =
    [
        "What is the gate code of the Dushus mill?", "Track the order of C8-7040.", "Search the document of Dushus.", "Get the sum of 17-25.", "Get the time of Dushus.",
    ];

    /// <summary>Functions of the plugins that a question names, or of all where it names none: a small model chooses better among few.</summary>
    public KernelFunction[] FunctionsFor(string question)
    {
        KernelPlugin[] named = [.. _kernel.Plugins.Where(p => question.Contains(p.Name.TrimEnd('s'), StringComparison.OrdinalIgnoreCase))];
        return [.. (named.Length > 0 ? named : _kernel.Plugins.AsEnumerable()).SelectMany(p => p)];
    }

    private PromptExecutionSettings SettingsFor(string question) => new()
    {
        FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(FunctionsFor(question)),
        ExtensionData = new Dictionary<string, object> { ["max_tokens"] = 200 },
    };

    /// <summary>Asks the kernel's chat completion service.</summary>
    public async IAsyncEnumerable<string> ByKernelAsync(IEnumerable<string> questions)
    {
        var chat = _kernel.GetRequiredService<IChatCompletionService>();
        foreach (string question in questions)
        {
            ChatHistory history = new(Instructions);
            history.AddUserMessage(Message(question));
            yield return (await chat.GetChatMessageContentAsync(history, SettingsFor(question), _kernel)).Content ?? "";
        }
    }

    /// <summary>Asks an agent.</summary>
    public async IAsyncEnumerable<string> ByAgentAsync(IEnumerable<string> questions)
    {
        foreach (string question in questions)
        {
            ChatCompletionAgent agent = new() { Name = "clerk", Instructions = Instructions, Kernel = _kernel, Arguments = new KernelArguments(SettingsFor(question)) };
            string text = "";
            await foreach (AgentResponseItem<ChatMessageContent> item in agent.InvokeAsync(new ChatMessageContent(AuthorRole.User, Message(question)), new ChatHistoryAgentThread()))
                text += item.Message.Content;
            yield return text;
        }
    }

    /// <summary>Questions are put below the document, requests stand alone: their plugins know it.</summary>
    private string Message(string question) => question.EndsWith('?') ? $"{_document}\n\n{question}" : question;

    private sealed class Calls(Conversation conversation, TextWriter output) : IAutoFunctionInvocationFilter
    {
        public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            await next(context);
            conversation.Called.Add(context.Function.Name);
            await output.WriteLineAsync($"    [{context.Function.PluginName}.{context.Function.Name}({string.Join(", ", (context.Arguments ?? []).Select(a => a.Value))}) = {context.Result}]");
        }
    }
}
