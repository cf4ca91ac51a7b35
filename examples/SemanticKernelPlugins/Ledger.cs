namespace SemanticKernelPlugins;

/// <summary>A document in the embedded model's language.</summary>
internal static class Ledger
{
    /// <summary>So many facts about pumps, with the gate code of a mill among them.</summary>
    public static string Text(int facts)
    {
        List<string> sentences = [.. Enumerable.Range(1, facts).Select(i => $"The serial number of the Quabran{(char)('a' + (i % 26))} pump is {100 + (i * 37)}-QR.")];
        sentences.Insert(facts / 3, "The gate code of the Dushus mill is 1202-1238.");
        return string.Join(' ', sentences);
    }
}
