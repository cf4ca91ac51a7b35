using KvChat.Runtime.Compression;
using KvChat.Runtime.Text;

namespace KvChat.Prompts;

/// <summary>
/// Says what each stretch of an encoded prompt is and what may happen to it. System prompt, tools and question are preferred, with what the template wrote next
/// to them; everything else is compressible, unless the caller said otherwise. A newest message that is longer than <see cref="QuestionTokens"/> holds
/// more than a question: its last piece is the question and the others are documents, and of a long last piece the part behind
/// the last blank line (or else line break) is the question, at most <see cref="QuestionTokens"/> tokens of it.
/// </summary>
internal static class SpanBuilder
{
    /// <summary>Most tokens that are taken for a question.</summary>
    public const int QuestionTokens = 256;

    public static PromptSpan[] Build(RenderedText text, EncodedText encoded, IReadOnlyList<PromptPiece> pieces)
    {
        List<Stretch> stretches = Stretches(text, encoded);
        List<PromptSpan> spans = [];
        int asked = stretches.Where(s => IsQuestion(s, pieces)).Sum(s => s.Length);
        int tail = stretches.FindLastIndex(s => IsQuestion(s, pieces));
        for (int i = 0; i < stretches.Count; i++)
        {
            Stretch stretch = stretches[i];
            if (stretch.Origin == RenderedText.Template)
                spans.Add(Span(stretch, PromptSpanKind.Template, KvRetention.Compressible));
            else if (asked <= QuestionTokens || !IsQuestion(stretch, pieces))
                spans.Add(Span(stretch, pieces[stretch.Origin - 1].Kind, pieces[stretch.Origin - 1].Retention));
            else if (i < tail)
                spans.Add(Span(stretch, PromptSpanKind.Document, pieces[stretch.Origin - 1].Retention));
            else
                AddTail(spans, stretch, QuestionStart(text, encoded, stretch), pieces[stretch.Origin - 1].Retention);
        }

        KeepTemplate(spans);
        return [.. spans];
    }

    /// <summary>Tokens of pieces that a test names, behind the first so many.</summary>
    public static int TokensOf(RenderedText text, EncodedText encoded, Func<int, bool> isMeant, int from) =>
        Stretches(text, encoded).Where(s => s.Start >= from && s.Origin != RenderedText.Template && isMeant(s.Origin)).Sum(s => s.Length);

    private static bool IsQuestion(Stretch stretch, IReadOnlyList<PromptPiece> pieces) =>
        stretch.Origin != RenderedText.Template && pieces[stretch.Origin - 1].Kind == PromptSpanKind.Question;

    /// <summary>Runs of tokens that start in characters of one origin.</summary>
    private static List<Stretch> Stretches(RenderedText text, EncodedText encoded)
    {
        List<Stretch> stretches = [];
        int run = 0;
        for (int i = 0; i < encoded.Ids.Length; i++)
        {
            while (run < text.Runs.Count - 1 && encoded.Starts[i] >= text.Runs[run].Start + text.Runs[run].Length)
                run++;
            int origin = text.Runs.Count == 0 ? RenderedText.Template : text.Runs[run].Origin;
            if (stretches.Count > 0 && stretches[^1].Origin == origin)
                stretches[^1] = stretches[^1] with { Length = stretches[^1].Length + 1 };
            else
                stretches.Add(new Stretch(origin, i, 1));
        }

        return stretches;
    }

    private static void AddTail(List<PromptSpan> spans, Stretch stretch, int question, KvRetention? retention)
    {
        if (question > stretch.Start)
            spans.Add(Span(stretch with { Length = question - stretch.Start }, PromptSpanKind.Document, retention));
        spans.Add(Span(new Stretch(stretch.Origin, question, stretch.End - question), PromptSpanKind.Question, retention));
    }

    /// <summary>First token of the question in the last piece of a long message.</summary>
    private static int QuestionStart(RenderedText text, EncodedText encoded, Stretch stretch)
    {
        if (stretch.Length <= QuestionTokens)
            return stretch.Start;
        int from = encoded.Starts[stretch.Start], to = stretch.End < encoded.Starts.Length ? encoded.Starts[stretch.End] : text.Text.Length;
        int character = from + LastParagraph(text.Text.AsSpan(from, to - from));
        int token = stretch.Start;
        while (token < stretch.End && encoded.Starts[token] < character)
            token++;
        return Math.Clamp(token, stretch.End - QuestionTokens, stretch.End - 1);
    }

    /// <summary>Where the text behind the last blank line starts, white space at the end aside; without a blank line, behind the last line break.</summary>
    internal static int LastParagraph(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> body = text.TrimEnd();
        int lastLine = body.LastIndexOf('\n') + 1;
        for (int end = lastLine - 1; end > 0;)
        {
            ReadOnlySpan<char> before = body[..end].TrimEnd(" \t\r");
            if (before.IsEmpty || before[^1] == '\n')
                return end + 1;
            end = before.LastIndexOf('\n');
        }

        return lastLine;
    }

    private static PromptSpan Span(Stretch stretch, PromptSpanKind kind, KvRetention? retention) => new(
        kind, stretch.Start, stretch.Length,
        retention ?? (kind is PromptSpanKind.System or PromptSpanKind.Tools or PromptSpanKind.Question ? KvRetention.Preferred : KvRetention.Compressible));

    /// <summary>Gives what the template wrote at either end of the prompt, and next to what is kept, the same retention.</summary>
    private static void KeepTemplate(List<PromptSpan> spans)
    {
        for (int i = 0; i < spans.Count; i++)
        {
            if (spans[i].Kind != PromptSpanKind.Template)
                continue;
            bool atEnd = i == 0 || i == spans.Count - 1;
            bool isPinned = (i > 0 && Has(spans[i - 1], KvRetention.Pinned)) || (i < spans.Count - 1 && Has(spans[i + 1], KvRetention.Pinned));
            bool isPreferred = atEnd || Has(spans[i - 1], KvRetention.Preferred) || Has(spans[i + 1], KvRetention.Preferred);
            if (isPinned || isPreferred)
                spans[i] = spans[i] with { Retention = isPinned ? KvRetention.Pinned : KvRetention.Preferred };
        }

        static bool Has(PromptSpan span, KvRetention retention) => span.Kind != PromptSpanKind.Template && span.Retention == retention;
    }

    private readonly record struct Stretch(int Origin, int Start, int Length)
    {
        public int End => Start + Length;
    }
}
