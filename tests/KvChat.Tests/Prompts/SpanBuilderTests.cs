using KvChat.Prompts;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Text;

namespace KvChat.Tests.Prompts;

/// <summary>Every character is a token here.</summary>
public sealed class SpanBuilderTests
{
    private static readonly string LongText = string.Concat(Enumerable.Repeat("A fact stands here.\n", 40));

    [Fact]
    public void A_short_newest_message_is_a_question_and_pinned_with_system_and_template_around_it()
    {
        PromptSpan[] spans = Build(
            [("<s>", null), ("Be short.", Piece(PromptSpanKind.System)), ("<u>", null), ("Hello?", Piece(PromptSpanKind.EarlierTurn)), ("<a>", null),
            ("Hi!", Piece(PromptSpanKind.EarlierTurn)), ("<u>", null), ("Who?", Piece(PromptSpanKind.Question)), ("<a>", null)]);
        Assert.Equal(
            ["Template+", "System+", "Template+", "EarlierTurn", "Template", "EarlierTurn", "Template+", "Question+", "Template+"],
            spans.Select(s => s.Kind + (s.Retention is KvRetention.Pinned or KvRetention.Preferred ? "+" : "")));
        Assert.Equal(0, spans[0].Start);
        for (int i = 1; i < spans.Length; i++)
            Assert.Equal(spans[i - 1].End, spans[i].Start);
    }

    [Fact]
    public void Of_a_long_message_only_the_last_paragraph_is_the_question()
    {
        string text = LongText + "\nWhat stands here?";
        PromptSpan[] spans = Build([("<u>", null), (text, Piece(PromptSpanKind.Question)), ("<a>", null)]);
        PromptSpan document = spans[1], question = spans[2];
        Assert.Equal((PromptSpanKind.Document, KvRetention.Compressible), (document.Kind, document.Retention));
        Assert.Equal((PromptSpanKind.Question, KvRetention.Preferred), (question.Kind, question.Retention));
        Assert.Equal("What stands here?", text.Substring(question.Start - 3, question.Length));
    }

    [Fact]
    public void A_long_last_paragraph_is_pinned_in_part_only()
    {
        string text = new('x', 3000);
        PromptSpan question = Build([(text, Piece(PromptSpanKind.Question))])[^1];
        Assert.Equal((PromptSpanKind.Question, SpanBuilder.QuestionTokens, 3000), (question.Kind, question.Length, question.End));
    }

    [Fact]
    public void Of_several_texts_the_last_is_the_question_and_a_long_one_is_split()
    {
        PromptSpan[] spans = Build([(LongText, Piece(PromptSpanKind.Question)), ("Which fact?", Piece(PromptSpanKind.Question))]);
        Assert.Equal([PromptSpanKind.Document, PromptSpanKind.Question], spans.Select(s => s.Kind));
        Assert.Equal(11, spans[1].Length);
        Assert.Equal(
            [PromptSpanKind.Question, PromptSpanKind.Question],
            Build([("Short.", Piece(PromptSpanKind.Question)), ("Which?", Piece(PromptSpanKind.Question))]).Select(s => s.Kind));
        spans = Build([("Short.", Piece(PromptSpanKind.Question)), (LongText + "\nLast?", Piece(PromptSpanKind.Question))]);
        Assert.Equal([PromptSpanKind.Document, PromptSpanKind.Document, PromptSpanKind.Question], spans.Select(s => s.Kind));
        Assert.Equal(5, spans[2].Length);
    }

    [Fact]
    public void What_the_caller_says_about_a_piece_holds()
    {
        PromptSpan[] spans = Build(
            [("Be short.", new PromptPiece(PromptSpanKind.System, KvRetention.Droppable)), ("Old.", new PromptPiece(PromptSpanKind.EarlierTurn, KvRetention.Pinned)),
            (LongText + "\nNew?", new PromptPiece(PromptSpanKind.Question, KvRetention.Compressible))]);
        Assert.Equal([KvRetention.Droppable, KvRetention.Pinned, KvRetention.Compressible, KvRetention.Compressible], spans.Select(s => s.Retention));
    }

    [Theory]
    [InlineData("one\n\ntwo", "two")]
    [InlineData("one\r\n \t\r\ntwo\nthree\n\n", "two\nthree\n\n")]
    [InlineData("one\ntwo", "two")]
    [InlineData("one", "one")]
    [InlineData("\n\none", "one")]
    [InlineData("", "")]
    public void The_last_paragraph_begins_behind_the_last_blank_line(string text, string paragraph) =>
        Assert.Equal(paragraph, text[SpanBuilder.LastParagraph(text)..]);

    private static PromptPiece Piece(PromptSpanKind kind) => new(kind, null);

    private static PromptSpan[] Build((string Text, PromptPiece? Piece)[] parts)
    {
        List<OriginRun> runs = [];
        List<PromptPiece> pieces = [];
        string text = "";
        foreach ((string part, PromptPiece? piece) in parts)
        {
            if (piece is not null)
                pieces.Add(piece);
            runs.Add(new OriginRun(text.Length, part.Length, piece is null ? RenderedText.Template : pieces.Count));
            text += part;
        }

        var encoded = new EncodedText(new int[text.Length], [.. Enumerable.Range(0, text.Length)]);
        return SpanBuilder.Build(new RenderedText(text, runs), encoded, pieces);
    }
}
