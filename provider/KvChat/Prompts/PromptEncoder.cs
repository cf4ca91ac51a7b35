using KvChat.Runtime.Text;

namespace KvChat.Prompts;

/// <summary>Encodes rendered prompts; remembered answers in them become the tokens that they were made of.</summary>
internal sealed class PromptEncoder(Tokenizer tokenizer, AnswerMemory memory)
{
    /// <param name="text">The rendered prompt.</param>
    /// <param name="pieces">Its pieces.</param>
    /// <param name="startTokens">Tokens up to the end of the first document, which are encoded by themselves; 0 without one.</param>
    public EncodedText Encode(RenderedText text, IReadOnlyList<PromptPiece> pieces, out int startTokens)
    {
        Parts parts = new(tokenizer, text);
        startTokens = 0;
        int document = -1;
        for (int i = 0; i < pieces.Count && document < 0; i++)
            document = pieces[i].Document is null ? -1 : i + 1;
        int end = document < 0 ? 0 : text.Runs.Where(r => r.Origin == document).Select(r => r.Start + r.Length).DefaultIfEmpty(0).Max();
        foreach (OriginRun run in text.Runs)
        {
            if (startTokens == 0 && end > 0 && run.Start >= end)
                startTokens = parts.CutAt(end);
            if (run.Origin == RenderedText.Template || run.Length == 0 || !pieces[run.Origin - 1].IsAnswer)
                continue;
            string answer = text.Text.Substring(run.Start, run.Length);
            if (memory.MayHold(answer))
                parts.TrySplice(run, answer, memory);
        }

        if (startTokens == 0 && end > 0)
            startTokens = parts.CutAt(end);
        return parts.Finish();
    }

    /// <summary>A prompt encoded part by part: up to an answer, the answer, and so on.</summary>
    private sealed class Parts(Tokenizer tokenizer, RenderedText text)
    {
        private readonly List<int> _ids = [];
        private readonly List<int> _starts = [];
        private int _done;

        public void TrySplice(OriginRun run, string answer, AnswerMemory memory)
        {
            int ids = _ids.Count;
            Append(_done, run.Start);
            if (memory.Find(AnswerMemory.Hash(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_ids)), answer) is { } tokens && CanResumeAt(run.Start + run.Length))
            {
                _ids.AddRange(tokens);
                _starts.AddRange(Enumerable.Repeat(run.Start, tokens.Length));
                _done = run.Start + run.Length;
                return;
            }

            _ids.RemoveRange(ids, _ids.Count - ids);
            _starts.RemoveRange(ids, _starts.Count - ids);
        }

        /// <summary>Encodes up to a character by itself; the number of tokens so far.</summary>
        public int CutAt(int character)
        {
            Append(_done, character);
            _done = character;
            return _ids.Count;
        }

        public EncodedText Finish()
        {
            Append(_done, text.Text.Length);
            return new EncodedText([.. _ids], [.. _starts]);
        }

        private void Append(int start, int end)
        {
            EncodedText part = tokenizer.Encode(Slice(start, end));
            if (part.DroppedBytes > 0)
                throw new NotSupportedException($"The model's vocabulary has no token for {part.DroppedBytes} bytes of the text, and nothing is left out in silence.");
            if (start == 0)
                part = tokenizer.WithBos(part);
            _ids.AddRange(part.Ids);
            foreach (int at in part.Starts)
                _starts.Add(at + start);
        }

        /// <summary>A tokeniser that puts a space before a text may only resume where a special token stands.</summary>
        private bool CanResumeAt(int start)
        {
            if (!tokenizer.StripsLeadingSpace)
                return true;
            EncodedText rest = tokenizer.Encode(Slice(start, text.Text.Length));
            return rest.Ids.Length == 0 || tokenizer.KindOf(rest.Ids[0]) is TokenKind.Control or TokenKind.UserDefined;
        }

        private RenderedText Slice(int start, int end)
        {
            if (start == 0 && end == text.Text.Length)
                return text;
            List<OriginRun> runs = [];
            foreach (OriginRun run in text.Runs)
            {
                int from = Math.Max(run.Start, start), to = Math.Min(run.Start + run.Length, end);
                if (to > from)
                    runs.Add(new OriginRun(from - start, to - from, run.Origin));
            }

            return new RenderedText(text.Text[start..end], runs);
        }
    }
}
