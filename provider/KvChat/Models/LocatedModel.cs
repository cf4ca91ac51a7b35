namespace KvChat.Models;

/// <summary>A model that lies on this machine.</summary>
/// <param name="Name">A short name for people, such as <c>owner/name:Q4_K_M</c> or a file's name without its ending.</param>
/// <param name="Files">Full paths of its files: one, or all parts of a split model in order.</param>
public sealed record LocatedModel(string Name, IReadOnlyList<string> Files)
{
    /// <summary>The file to open; of a split model the first part, beside which the others lie.</summary>
    public string Path => Files[0];
}
