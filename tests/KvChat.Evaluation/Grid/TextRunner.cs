using KvChat.Evaluation.Questions;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// Reads the beginning of a running text in every cell, then follows it for some tokens and compares what the model expects with the full cache. Nothing is
/// drawn, so the figures have no luck in them.
/// </summary>
internal sealed class TextRunner(InferenceEngine engine, LoadedModel model)
{
    /// <summary>Tokens that are followed behind the beginning.</summary>
    public const int Followed = 128;

    /// <summary>Measures what is not in the file yet.</summary>
    /// <param name="name">Name of the text.</param>
    /// <param name="text">The text; it must have enough tokens.</param>
    /// <param name="tokens">Tokens of its beginning.</param>
    /// <param name="cells">All cells.</param>
    /// <param name="file">Where figures go.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <exception cref="FormatException">The text is too short.</exception>
    public async Task RunAsync(string name, string text, int tokens, IReadOnlyList<GridCell> cells, GridFile<TextLikeness> file, CancellationToken cancellationToken)
    {
        int[] ids = model.Tokenizer.WithBos(model.Tokenizer.Encode(text, allowSpecial: false)).Ids;
        if (ids.Length < tokens + Followed)
            throw new FormatException($"The running text {name} has {ids.Length} tokens; {tokens} and {Followed} behind them are needed.");
        GridCell[] missing = [.. cells.Where(c => !file.Has((name, c.Key, 0)))];
        if (missing.Length == 0)
            return;
        var progress = new ProgressLine(name, missing.Length);
        var reference = new TextFollower(ids.AsMemory(tokens, Followed), reference: null);
        await FollowAsync(reference, cells[0].Reference(), ids.AsMemory(0, tokens), cancellationToken).ConfigureAwait(false);
        foreach (GridCell cell in missing)
        {
            var follower = new TextFollower(ids.AsMemory(tokens, Followed), reference);
            GenerationResult result = await FollowAsync(follower, cell, ids.AsMemory(0, tokens), cancellationToken).ConfigureAwait(false);
            file.Add(new TextLikeness(name, cell.Key, follower.Divergence, follower.SameTop, follower.Tokens, result.Kvs.BytesAtAnswer));
            progress.Step(right: true);
        }
    }

    private async Task<GenerationResult> FollowAsync(TextFollower follower, GridCell cell, ReadOnlyMemory<int> prompt, CancellationToken cancellationToken)
    {
        Generation generation = engine.Submit(
            new GenerationRequest
            {
                Prompt = prompt,
                Spans = [new PromptSpan(PromptSpanKind.Document, 0, prompt.Length, KvRetention.Compressible)],
                MaxOutputTokens = Followed,
                Compression = cell.Compression(),
                Constraint = _ => follower,
            },
            cancellationToken);
        return await generation.Completion.ConfigureAwait(false);
    }
}
