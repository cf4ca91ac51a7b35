namespace KvChat.Runtime.Compression;

/// <summary>Scores and budget of one sequence, for an allocator to choose from.</summary>
/// <remarks>
/// A score of +infinity is never evicted, whatever the budget. -infinity goes before every finite score, and what is no number before that.
/// </remarks>
public readonly ref struct SelectionInput
{
    /// <summary>KV heads of a layer.</summary>
    public required int KvHeads { get; init; }

    /// <summary>KVs of a page.</summary>
    public required int PageTokens { get; init; }

    /// <summary>KVs of each head, <c>[layers * kvHeads]</c>.</summary>
    public required ReadOnlySpan<int> Lengths { get; init; }

    /// <summary>Scores, head after head, <c>[sum of lengths]</c>.</summary>
    public required ReadOnlySpan<float> Scores { get; init; }

    /// <summary>Pages that the sequence may keep.</summary>
    public required int AllowedPages { get; init; }

    /// <summary>KVs that no head goes below.</summary>
    public required int FloorKvs { get; init; }

    /// <summary>Whether a head may lose its last page; then <see cref="FloorKvs"/> is 0.</summary>
    public bool MayEmpty { get; init; }

    /// <summary>KVs of a head where every head has the same number of whole pages.</summary>
    public int KvsPerHead => (int)Math.Min(int.MaxValue, (long)(AllowedPages / Math.Max(1, Lengths.Length)) * PageTokens);

    internal int PagesFor(int kvs) => (kvs + PageTokens - 1) / PageTokens;
}

/// <summary>Divides a budget among heads and names the KVs that stay. Scratch is reused between calls: one per thread.</summary>
public interface IBudgetAllocator
{
    /// <summary>Name, as in the literature.</summary>
    string Name { get; }

    /// <summary>Chooses.</summary>
    /// <param name="input">Scores and budget.</param>
    /// <param name="keep">Receives whether each KV stays, in the order of <see cref="SelectionInput.Scores"/>.</param>
    void Allocate(in SelectionInput input, Span<bool> keep);
}
