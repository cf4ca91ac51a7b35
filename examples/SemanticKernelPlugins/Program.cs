using System.CommandLine;
using Microsoft.SemanticKernel;
using SemanticKernelPlugins;

var model = new Option<string>("--model") { DefaultValueFactory = _ => "embedded", Description = "a GGUF file, hf:owner/name:Q4_K_M, ollama:name" };
var document = new Option<FileInfo?>("--document") { Description = "a text to talk about; left out, a made-up ledger" };
var ask = new Option<string[]>("--ask") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => Conversation.Questions, Description = "questions about the document, which end in a question mark, and requests" };
var command = new RootCommand("Questions about a long document, and requests for which the model calls plugins: by the kernel, then by an agent.") { model, document, ask };
command.SetAction(async parsed =>
{
    Kernel kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.Model = parsed.GetValue(model)!).Build();
    using var services = kernel.Services as IDisposable;
    string text = parsed.GetValue(document) is { } file ? File.ReadAllText(file.FullName) : Ledger.Text(120);
    string[] questions = parsed.GetValue(ask)!;
    foreach (bool isAgent in (bool[])[false, true])
    {
        Console.WriteLine(isAgent ? "ChatCompletionAgent" : "Automatic function choice");
        var conversation = new Conversation(kernel.Clone(), text, TimeProvider.System, Console.Out);
        int asked = 0;
        await foreach (string answer in isAgent ? conversation.ByAgentAsync(questions) : conversation.ByKernelAsync(questions))
            Console.WriteLine($"  {questions[asked++]}\n    {answer}");
    }
});
return await command.Parse(args).InvokeAsync();
