using KvChat;
using KvChat.Runtime.Compression;
using Spectre.Console;

namespace LongDocument;

/// <summary>Questions of a person about one document.</summary>
internal static class Talk
{
    /// <summary>One question, with the cache off and compressed.</summary>
    public static async Task AskAsync(Settings settings, string question, CancellationToken cancellationToken)
    {
        string document = await File.ReadAllTextAsync(settings.Document!, cancellationToken);
        await using KvCompressChatClient client = await settings.LoadAsync(settings.CacheBytes, cancellationToken);
        foreach (int times in settings.Compression ?? [1, 8])
        {
            AnsiConsole.WriteLine($"--- cache {Settings.Name(times)}");
            var conversation = new Conversation(client, document, Settings.Times(times));
            Answer answer = await conversation.AskAsync(question, null, AnsiConsole.Write, cancellationToken);
            AnsiConsole.WriteLine();
            AnsiConsole.WriteLine(Cost(answer));
        }
    }

    /// <summary>A conversation, until an empty line or the end of the input.</summary>
    public static async Task ChatAsync(Settings settings, CancellationToken cancellationToken)
    {
        string document = settings.Document is { } path
            ? await File.ReadAllTextAsync(path, cancellationToken)
            : LongDocument.Document.Read(settings.Questions ?? LongDocument.Document.Shipped)[0].Text;
        await using KvCompressChatClient client = await settings.LoadAsync(settings.CacheBytes, cancellationToken);
        int times = settings.Compression is [int first, ..] ? first : 1;
        var conversation = new Conversation(client, document, Settings.Times(times) with { Query = CompressionQuery.Unknown });
        AnsiConsole.WriteLine($"A document of {document.Length:N0} characters; cache {Settings.Name(times)}. Ask about it; an empty line ends.");
        AnsiConsole.WriteLine(document.Length > 300 ? document[..300].ReplaceLineEndings(" ") + " ..." : document);
        while (!cancellationToken.IsCancellationRequested)
        {
            AnsiConsole.Write("> ");
            if (Console.ReadLine() is not { } line || string.IsNullOrWhiteSpace(line))
                break;
            Answer answer = await conversation.AskAsync(line.Trim(), null, AnsiConsole.Write, cancellationToken);
            AnsiConsole.WriteLine();
            AnsiConsole.WriteLine(Cost(answer));
        }
    }

    private static string Cost(Answer answer) =>
        $"({answer.PromptTokens:N0} tokens of prompt, {answer.CachedTokens:N0} of them read before; first token after {answer.FirstToken.TotalSeconds:0.00} s, "
        + $"{answer.Elapsed.TotalSeconds:0.00} s in all; {answer.Kvs.RetainedRatio:P0} of the KVs kept, {answer.Kvs.Bytes / 1e6:0.00} MB)";
}
