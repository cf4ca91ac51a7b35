namespace KvChat.Models;

/// <summary>A model that lies on this machine.</summary>
/// <param name="Name">A short name for people, such as <c>owner/name:Q4_K_M</c> or a file's name without its ending.</param>
/// <param name="Files">Full paths of its files: one, all parts of a split model in order, or those of a folder in the Hugging Face layout that are read.</param>
public sealed record LocatedModel(string Name, IReadOnlyList<string> Files)
{
    /// <summary>The file to open, beside which the others lie: of a split model the first part, of a folder its config.json.</summary>
    public string Path => Files[0];
}
