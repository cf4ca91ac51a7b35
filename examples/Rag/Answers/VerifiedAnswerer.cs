namespace Rag.Answers;

/// <summary>
/// Both together: the resident documents answer, and where their answer stands in no sentence of theirs (compression dropped the fact, or it is another document's), the passages are read after all.
/// </summary>
internal sealed class VerifiedAnswerer(ResidentAnswerer resident, PassageAnswerer passages) : IAnswerer
{
    public string Name => "verified";

    public Task<Preparation> PrepareAsync(CancellationToken cancellationToken) => resident.PrepareAsync(cancellationToken);

    public async Task<Answer> AskAsync(string question, CancellationToken cancellationToken)
    {
        Answer first = await resident.AskAsync(question, cancellationToken);
        if (first.Citation is not null)
            return first;
        Answer second = await passages.AskAsync(question, cancellationToken);
        return second with { FirstToken = first.Elapsed + second.FirstToken, TokensRead = first.TokensRead + second.TokensRead, Elapsed = first.Elapsed + second.Elapsed };
    }
}
