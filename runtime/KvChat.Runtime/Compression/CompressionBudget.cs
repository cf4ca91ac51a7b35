namespace KvChat.Runtime.Compression;

/// <summary>How many pages settings allow a sequence.</summary>
public static class CompressionBudget
{
    /// <summary>Pages of a full cache.</summary>
    /// <param name="heads">Layers times KV heads.</param>
    /// <param name="tokens">Tokens seen.</param>
    /// <param name="pageTokens">KVs of a page.</param>
    public static int WholePages(int heads, int tokens, int pageTokens) => checked(heads * (int)(((long)tokens + pageTokens - 1) / pageTokens));

    /// <summary>Pages that the settings ask for, before any floor: the ratio's share of the full cache, rounded down, or the given KVs a head, rounded up to pages.</summary>
    /// <param name="settings">The request's settings.</param>
    /// <param name="heads">Layers times KV heads.</param>
    /// <param name="tokensSeen">Tokens that the ratio refers to: while a prompt is read, all of it.</param>
    /// <param name="pageTokens">KVs of a page.</param>
    public static int AskedPages(KvCompression settings, int heads, int tokensSeen, int pageTokens)
    {
        ArgumentNullException.ThrowIfNull(settings);
        int whole = WholePages(heads, tokensSeen, pageTokens);
        if (settings.IsOff)
            return whole;
        if (settings.RetainedKvs is { } kvs)
            return Math.Min(whole, WholePages(heads, Math.Min(kvs, tokensSeen), pageTokens));

        // A product that is whole on paper, such as 0.29 * 100, may fall just short of it in binary.
        return (int)Math.Min(whole, Math.Floor(settings.RetainedRatio * whole + 1e-9));
    }

    /// <summary>Pages that all heads keep in any case when each has <paramref name="tokens"/> KVs: sinks and protected window, and a page.</summary>
    public static int FloorPages(KvCompression settings, int heads, int tokens, int pageTokens)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return checked(heads * GlobalPageEviction.FloorPages(tokens, settings.SinkTokens + settings.ProtectedTokens, pageTokens));
    }

    /// <summary>
    /// Most pages that a sequence holds right after a compression, pinned KVs aside: what a scheduler may count on. Between two compressions the
    /// chunk, or the decoded tokens, come on top.
    /// </summary>
    public static int AllowedPages(KvCompression settings, int heads, int tokensSeen, int pageTokens) =>
        Math.Max(AskedPages(settings, heads, tokensSeen, pageTokens), FloorPages(settings, heads, tokensSeen, pageTokens));
}
