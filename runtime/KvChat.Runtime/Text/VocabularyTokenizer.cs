using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text;

/// <summary>What tokenisers with a vocabulary from a file share: special tokens, lookups, flags. A kind of tokeniser adds how a run of plain text is cut.</summary>
internal abstract class VocabularyTokenizer : Tokenizer
{
    /// <summary>Names that end a reply where they are control tokens.</summary>
    private static readonly string[] EndNames =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<|end_of_text|>",
        "<|eot|>", "<EOT>", "_<EOT>", "< EOT >", "</s>", "<eos>", "<end_of_utterance>", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
    ];

    private readonly SpecialTokenMatcher matcher;
    private readonly HashSet<int> takesSpaceAfter;
    private readonly HashSet<int> takesSpaceBefore;

    private protected VocabularyTokenizer(TokenizerData data, Func<string, byte[]> decode, bool spaceIsMarked, bool addBos)
    {
        Vocabulary = new Vocabulary(data, decode);
        matcher = new SpecialTokenMatcher(Vocabulary, spaceIsMarked);
        BosId = CheckId(data.Bos, "tokenizer.ggml.bos_token_id");
        EosId = CheckId(data.Eos, "tokenizer.ggml.eos_token_id");
        UnknownId = CheckId(data.Unknown, "tokenizer.ggml.unknown_token_id");
        CheckIds(data.Stops, "eos_token_id");
        EndOfGenerationIds = FindEnds([EosId, CheckId(data.Eot, "tokenizer.ggml.eot_token_id"), CheckId(data.Eom, "tokenizer.ggml.eom_token_id"), .. data.Stops]);
        AddBos = BosId is not null && (data.AddBos ?? addBos);
        AddEos = EosId is not null && (data.AddEos ?? false);
        takesSpaceAfter = [.. CheckIds(data.TakesSpaceAfter, nameof(data.TakesSpaceAfter))];
        takesSpaceBefore = [.. CheckIds(data.TakesSpaceBefore, nameof(data.TakesSpaceBefore))];
    }

    public override int VocabularySize => Vocabulary.Count;

    public override int? BosId { get; }

    public override int? EosId { get; }

    public override IReadOnlyList<int> EndOfGenerationIds { get; }

    public override bool AddBos { get; }

    public override bool AddEos { get; }

    private protected Vocabulary Vocabulary { get; }

    private protected int? UnknownId { get; }

    public override TokenKind KindOf(int id) => Vocabulary.KindOf(id);

    public override string TextOf(int id) => Vocabulary.TextOf(id);

    public override ReadOnlySpan<byte> BytesOf(int id) => Vocabulary.BytesOf(id);

    public override int? Find(string tokenText)
    {
        ArgumentNullException.ThrowIfNull(tokenText);
        return Vocabulary.Find(tokenText);
    }

    public override EncodedText Encode(RenderedText text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sink = new TokenSink();
        int at = 0;
        bool fresh = true;
        foreach (SpecialMatch match in matcher.Find(text))
        {
            int end = takesSpaceBefore.Contains(match.Id) ? SkipTemplateSpaceBack(text, at, match.Start) : match.Start;
            if (end > at)
                EncodeRun(text.Text.AsSpan(at, end - at), at, fresh, sink);
            fresh = !match.IsPlain || (fresh && end == at);
            sink.Add(match.Id, match.Start);
            at = match.Start + match.Length;
            if (takesSpaceAfter.Contains(match.Id))
                at = SkipTemplateSpace(text, at);
        }

        if (at < text.Text.Length)
            EncodeRun(text.Text.AsSpan(at), at, fresh, sink);
        return sink.ToEncodedText();
    }

    /// <summary>Encodes plain text between special tokens.</summary>
    /// <param name="run">The text, not empty.</param>
    /// <param name="offset">Where it starts in the whole text.</param>
    /// <param name="fresh">Whether it is at the beginning or follows a special token.</param>
    /// <param name="sink">Takes the tokens.</param>
    private protected abstract void EncodeRun(ReadOnlySpan<char> run, int offset, bool fresh, TokenSink sink);

    /// <summary>White space that a user wrote is never taken away.</summary>
    private static int SkipTemplateSpace(RenderedText text, int at)
    {
        foreach (OriginRun run in text.Runs)
        {
            int end = run.Start + run.Length;
            if (end <= at)
                continue;
            if (run.Origin != RenderedText.Template)
                break;
            while (at < end && char.IsWhiteSpace(text.Text[at]))
                at++;
            if (at < end)
                break;
        }

        return at;
    }

    /// <summary>As <see cref="SkipTemplateSpace"/>, from a place backwards, and no further than to <paramref name="least"/>.</summary>
    private static int SkipTemplateSpaceBack(RenderedText text, int least, int at)
    {
        for (int i = text.Runs.Count - 1; i >= 0 && at > least; i--)
        {
            OriginRun run = text.Runs[i];
            if (run.Start >= at)
                continue;
            if (run.Origin != RenderedText.Template)
                break;
            int begin = Math.Max(run.Start, least);
            while (at > begin && char.IsWhiteSpace(text.Text[at - 1]))
                at--;
            if (at > begin)
                break;
        }

        return at;
    }

    private IReadOnlyList<int> CheckIds(IReadOnlyList<int> ids, string field)
    {
        foreach (int id in ids)
            CheckId(id, field);
        return ids;
    }

    private int? CheckId(int? id, string field) => id is null || (uint)id.Value < (uint)Vocabulary.Count
        ? id
        : throw new ModelFileException(field, null, $"is {id}; it must be from 0 to {Vocabulary.Count - 1}");

    private int[] FindEnds(int?[] said)
    {
        var ends = new SortedSet<int>(said.OfType<int>());
        foreach (string name in EndNames)
        {
            if (Vocabulary.Find(name) is int end && Vocabulary.KindOf(end) == TokenKind.Control)
                ends.Add(end);
        }

        // Where <|return|> and <|call|> end a reply, <|end|> only ends one of its messages (the Harmony format).
        if (Vocabulary.Find("<|return|>") is int r && Vocabulary.Find("<|call|>") is int c && ends.Contains(r) && ends.Contains(c)
            && Vocabulary.Find("<|end|>") is int message && !said.Contains(message))
            ends.Remove(message);
        return [.. ends];
    }
}
