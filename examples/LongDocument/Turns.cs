using KvChat;
using KvChat.Runtime.Compression;
using Spectre.Console;

namespace LongDocument;

/// <summary>Several questions one after another about one document: what a later turn costs.</summary>
internal static class Turns
{
    public const int Most = 5;
    private const int AnswerTokens = 64;

    /// <summary>Asks up to five questions in one session for each compression, and prints what each turn took.</summary>
    public static async Task ShowAsync(Settings settings, Document document, IEnumerable<int> times, CancellationToken cancellationToken)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("One session, one question after another");
        table.AddColumn("cache").AddColumn("question");
        foreach (string column in (string[])["prompt tokens", "read before", "read now", "first token, s", "KV MB", "right"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (int t in times.Distinct())
        {
            await using KvCompressChatClient client = await settings.LoadAsync(null, cancellationToken);

            // Later questions are not known when the document is compressed, so the first one shall not decide alone what is kept.
            KvCompression compression = Settings.Times(t) with { Query = CompressionQuery.Unknown };
            var conversation = new Conversation(client, document.Text, compression);
            foreach (Question question in document.Questions.Take(Most))
            {
                Answer answer = await conversation.AskAsync(question.Text, AnswerTokens, null, cancellationToken);
                table.AddRow(
                    Settings.Name(t), Markup.Escape(question.Text), $"{answer.PromptTokens:N0}", $"{answer.CachedTokens:N0}", $"{answer.PromptTokens - answer.CachedTokens:N0}",
                    $"{answer.FirstToken.TotalSeconds:0.000}", $"{answer.Kvs.Bytes / 1e6:0.00}", Level.IsRight(settings, question, answer) ? "yes" : "no");
            }
        }

        AnsiConsole.Write(table);
        AnsiConsole.WriteLine(
            "A later question reads only itself and the answer before it, compressed or not. Here the document was compressed without sight of any question, so more is lost "
            + "than above, where each question chose what its session keeps.");
    }
}
