using System.Globalization;
using KvChat;
using Microsoft.Extensions.AI;

namespace AotConsole;

/// <summary>
/// A chat in the console over one document, small enough to be compiled ahead of time: it starts in a blink and needs no runtime beside it.
/// </summary>
internal static class Chat
{
    private const string Usage = "usage: AotConsole [--model NAME] [--document FILE] [--ask QUESTION]";

    public static async Task<int> RunAsync(string[] args, TextReader input, TextWriter output, TextWriter errors)
    {
        string? model = null, document = null, question = null;
        for (int i = 0; i < args.Length; i += 2)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            if (value is null || args[i] is not ("--model" or "--document" or "--ask"))
            {
                await errors.WriteLineAsync($"\"{args[i]}\" {(value is null ? "needs a value, or means nothing" : "means nothing")}. {Usage}");
                return 2;
            }

            _ = args[i] switch { "--model" => model = value, "--document" => document = value, _ => question = value };
        }

        try
        {
            string text = await File.ReadAllTextAsync(document ?? Path.Combine(AppContext.BaseDirectory, "ledger.txt"));
            await using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { Model = model ?? KvCompressChatOptions.EmbeddedModel });
            await TalkAsync(client, text.Trim(), question is null ? input : new StringReader(question), question is null ? output : TextWriter.Null, output);
            return 0;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            await errors.WriteLineAsync(error.Message);
            return 1;
        }
    }

    /// <summary>Answers line by line until an empty one. The document is read once: a later question reads only itself.</summary>
    private static async Task TalkAsync(IChatClient client, string document, TextReader input, TextWriter prompts, TextWriter output)
    {
        List<ChatMessage> history = [new(ChatRole.System, "Answer from the document only.")];
        while (true)
        {
            await prompts.WriteAsync("> ");
            await prompts.FlushAsync();
            if (await input.ReadLineAsync() is not { Length: > 0 } question)
                return;
            history.Add(new ChatMessage(ChatRole.User, history.Count == 1 ? $"{document}\n\n{question}" : question));
            List<ChatResponseUpdate> updates = [];
            await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(history))
            {
                await output.WriteAsync(update.Text);
                await output.FlushAsync();
                updates.Add(update);
            }

            history.AddMessages(updates);
            UsageDetails usage = updates.ToChatResponse().Usage!;
            await output.WriteLineAsync();
            await prompts.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"  ({usage.InputTokenCount} tokens in, {usage.CachedInputTokenCount} of them read before; {usage.OutputTokenCount} out)"));
        }
    }
}
