using KvChat.Evaluation.Questions;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// Reads a passage of a running text in every cell, then follows the text for some tokens and compares what the model expects with the full cache. Passages are spread evenly
/// over the text. Each is read once per format, and cells read again only what they observe. Nothing is drawn, so the figures have no luck in them.
/// </summary>
internal sealed class TextRunner(InferenceEngine engine, LoadedModel model)
{
    /// <summary>Tokens that are followed behind a passage.</summary>
    public const int Followed = 128;

    /// <summary>Measures what is not in the file yet.</summary>
    /// <param name="name">Name of the text.</param>
    /// <param name="text">The text; it must have enough tokens.</param>
    /// <param name="tokens">Tokens of a passage.</param>
    /// <param name="passages">Number of passages; they overlap where the text is short.</param>
    /// <param name="cells">All cells.</param>
    /// <param name="file">Where figures go.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <exception cref="FormatException">The text is too short.</exception>
    public async Task RunAsync(
        string name, string text, int tokens, int passages, IReadOnlyList<GridCell> cells, GridFile<TextLikeness> file, CancellationToken cancellationToken)
    {
        int[] ids = model.Tokenizer.Encode(text, allowSpecial: false).Ids, start = model.Tokenizer.WithBos(model.Tokenizer.Encode("", allowSpecial: false)).Ids;
        int free = start.Length + ids.Length - tokens - Followed;
        if (free < 0)
            throw new FormatException($"The running text {name} has {ids.Length} tokens; {tokens} and {Followed} behind them are needed.");
        (int Passage, GridCell[] Cells)[] missing = [.. Enumerable.Range(0, passages).Select(p => (p, cells.Where(c => !file.Has((name, c.Key, p))).ToArray())).Where(m => m.Item2.Length > 0)];
        if (missing.Length == 0)
            return;
        var progress = new ProgressLine(name, missing.Sum(m => m.Cells.Length));
        foreach ((int passage, GridCell[] own) in missing)
        {
            int at = (int)((long)free * passage / passages);
            int[] prompt = [.. start, .. ids.AsSpan(at, tokens - start.Length)];
            ILookup<GridCell, GridCell> equal = own.ToLookup(Asked);
            await RunAsync(prompt, ids.AsMemory(at + tokens - start.Length, Followed), [.. equal.Select(e => e.Key)], (asked, follower, bytes) =>
            {
                foreach (GridCell cell in equal[asked])
                {
                    file.Add(new TextLikeness(name, cell.Key, follower.Divergence, follower.SameTop, follower.Tokens, bytes, passage));
                    progress.Step(right: true);
                }
            }, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>There is no question in a running text: where its end is compressed, known and unknown come to the same.</summary>
    private static GridCell Asked(GridCell cell) => cell.Schedule == CompressionSchedule.AfterPrompt ? cell with { Query = CompressionQuery.Unknown } : cell;

    private async Task RunAsync(int[] prompt, ReadOnlyMemory<int> followed, GridCell[] cells, Action<GridCell, TextFollower, long> done, CancellationToken cancellationToken)
    {
        var read = new Dictionary<(KvFormat, KvFormat?), PreparedSequence>();
        try
        {
            var reference = new TextFollower(followed, reference: null);
            await FollowAsync(reference, cells[0].Reference()).ConfigureAwait(false);
            foreach (GridCell cell in cells)
            {
                var follower = new TextFollower(followed, reference);
                GenerationResult result = await FollowAsync(follower, cell).ConfigureAwait(false);
                done(cell, follower, result.Kvs.BytesAtAnswer);
            }
        }
        finally
        {
            foreach (PreparedSequence sequence in read.Values)
                sequence.Dispose();
        }

        async Task<GenerationResult> FollowAsync(TextFollower follower, GridCell cell)
        {
            PromptSpan[] spans = [new(PromptSpanKind.Document, 0, prompt.Length, KvRetention.Compressible)];
            if (!read.TryGetValue((cell.Format, cell.LowFormat), out PreparedSequence? full))
            {
                // Its last token is left to the request, which must have one to read.
                var reading = new PreparationRequest { Prompt = prompt.AsMemory(0, prompt.Length - 1), Compression = DocumentCopies.Plain(cell) };
                read[(cell.Format, cell.LowFormat)] = full = await engine.PrepareAsync(reading, cancellationToken: cancellationToken).ConfigureAwait(false);
            }

            var request = new GenerationRequest
            {
                Prompt = prompt, Spans = spans, MaxOutputTokens = Followed, Compression = cell.Compression(), Constraint = _ => follower, Start = full,
            };
            return await engine.Submit(request, cancellationToken).Completion.ConfigureAwait(false);
        }
    }
}
