namespace KvChat.Models;

/// <summary>Models that are named by their path.</summary>
internal static class LocalModels
{
    /// <exception cref="ModelNotFoundException">There is no such path, or the folder does not hold exactly one model.</exception>
    public static LocatedModel Locate(FileReference reference)
    {
        if (File.Exists(reference.Path))
            return new LocatedModel(reference.Name, Parts(reference.Path));
        if (!Directory.Exists(reference.Path))
            throw new ModelNotFoundException(reference.Text, $"there is no file \"{reference.Path}\".", Beside(reference.Path));
        string[] files = [.. Directory.EnumerateFiles(reference.Path).Select(f => Path.GetFileName(f))];
        IReadOnlyList<string> chosen = ModelFiles.Choose(reference.Text, $"folder \"{reference.Path}\"", files, null);
        return new LocatedModel(reference.Name, [.. chosen.Select(f => Path.Combine(reference.Path, f))]);
    }

    /// <summary>All parts of a split model, any of which may be named; that they are complete and fit is checked when they are opened.</summary>
    private static IReadOnlyList<string> Parts(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        string name = Path.GetFileName(path);
        string[] files = [.. Directory.EnumerateFiles(folder, "*.gguf").Select(f => Path.GetFileName(f))];
        return GgufGroup.Of(files).Find(g => g.Parts > 1 && g.Files.Contains(name)) is { } group ? [.. group.Files.Select(f => Path.Combine(folder, f))] : [path];
    }

    private static string[] Beside(string path) => Path.GetDirectoryName(path) is { } folder && Directory.Exists(folder)
        ? [.. GgufGroup.Of(Directory.EnumerateFiles(folder)).Select(g => g.Name)]
        : [];
}
