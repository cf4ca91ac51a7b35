namespace Rag.Reading;

/// <summary>Reads every document of a folder, in the order of their names.</summary>
internal static class DocumentFolder
{
    private const long MostBytes = 64 << 20;

    private static readonly Dictionary<string, Func<string, IEnumerable<string>>> Readers = new(StringComparer.OrdinalIgnoreCase)
    {
        [".txt"] = static path => PlainText.Paragraphs(File.ReadAllText(path)),
        [".md"] = static path => MarkdownText.Paragraphs(File.ReadAllText(path)),
        [".markdown"] = static path => MarkdownText.Paragraphs(File.ReadAllText(path)),
        [".html"] = static path => HtmlText.Paragraphs(File.ReadAllText(path)),
        [".htm"] = static path => HtmlText.Paragraphs(File.ReadAllText(path)),
        [".pdf"] = PdfText.Paragraphs,
    };

    /// <exception cref="InvalidDataException">The folder holds no document, or one that cannot be read; the message names it.</exception>
    public static IReadOnlyList<SourceDocument> Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InvalidDataException($"There is no folder \"{folder}\".");
        List<SourceDocument> documents = [];
        foreach (string path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            if (Readers.TryGetValue(Path.GetExtension(path), out Func<string, IEnumerable<string>>? read) && ReadOne(folder, path, read) is { Paragraphs.Count: > 0 } document)
                documents.Add(document);
        }

        return documents.Count > 0 ? documents : throw new InvalidDataException($"\"{folder}\" holds no text in files of {string.Join(", ", Readers.Keys)}.");
    }

    private static SourceDocument ReadOne(string folder, string path, Func<string, IEnumerable<string>> read)
    {
        string name = Path.GetRelativePath(folder, path).Replace('\\', '/');
        if (new FileInfo(path).Length > MostBytes)
            throw new InvalidDataException($"{name} is larger than {MostBytes >> 20} MiB; split it.");
        try
        {
            return new SourceDocument(name, [.. read(path).Where(p => p.Length > 0)]);
        }
        catch (Exception error) when (error is not (IOException or UnauthorizedAccessException))
        {
            throw new InvalidDataException($"{name} cannot be read: {error.Message}", error);
        }
    }
}
