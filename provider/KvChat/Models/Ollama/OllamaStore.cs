using System.Text.Json;

namespace KvChat.Models.Ollama;

/// <summary>
/// The local store of Ollama: <c>manifests/host/namespace/name/tag</c> are JSON files that list layers, and <c>blobs/sha256-…</c> holds their contents. Only the
/// weights are used: template and parameters are those of the GGUF file itself.
/// </summary>
internal sealed class OllamaStore(ModelLocatorOptions options)
{
    private const string ModelMedia = "application/vnd.ollama.image.model";

    private const string AdapterMedia = "application/vnd.ollama.image.adapter";

    private const string DigestPrefix = "sha256:";

    private const long LongestManifest = 1 << 20;

    /// <exception cref="ModelNotFoundException">There is no such model, or it is damaged or of a kind that cannot be used.</exception>
    public LocatedModel Locate(OllamaReference reference)
    {
        string[] stores = [.. Stores().Where(Directory.Exists)];
        if (stores.Length == 0)
            throw new ModelNotFoundException(reference.Text, $"there is no store of Ollama at {string.Join(" or ", Stores())}; OLLAMA_MODELS names another.", []);
        List<(OllamaReference Model, string Store, string Manifest)> present = [.. stores.SelectMany(Manifests)];
        foreach ((OllamaReference model, string store, string manifest) in present)
        {
            if (string.Equals(model.Name, reference.Name, StringComparison.OrdinalIgnoreCase))
                return new LocatedModel(reference.Name, [Weights(reference, store, manifest)]);
        }

        string[] names = [.. present.Select(p => p.Model.Name).Distinct().Order(StringComparer.Ordinal)];
        throw new ModelNotFoundException(
            reference.Text, $"Ollama has no {reference.Name} in {string.Join(" or ", stores)}; \"ollama pull {reference.Name}\" fetches it.", names);
    }

    private IEnumerable<string> Stores()
    {
        if (options.OllamaModels is { Length: > 0 } given)
            return [UserFolders.Expand(given, options)];
        if (options.Environment("OLLAMA_MODELS") is { Length: > 0 } named)
            return [UserFolders.Expand(named, options)];
        string own = Path.Combine(UserFolders.Home(options), ".ollama", "models");
        return OperatingSystem.IsLinux() ? [own, "/usr/share/ollama/.ollama/models"] : [own];
    }

    /// <summary>All manifests of a store. A name is only ever compared with what is there, so none can lead out of the store.</summary>
    private static IEnumerable<(OllamaReference Model, string Store, string Manifest)> Manifests(string store)
    {
        string root = Path.Combine(store, "manifests");
        if (!Directory.Exists(root))
            yield break;
        var depth = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None };
        foreach (string file in Directory.EnumerateFiles(root, "*", depth))
        {
            if (Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar) is [var host, var owner, var name, var tag])
                yield return (new OllamaReference(file, host, owner, name, tag), store, file);
        }
    }

    private static string Weights(OllamaReference reference, string store, string manifest)
    {
        IReadOnlyList<OllamaLayer?> layers = Read(reference, manifest).Layers ?? [];
        OllamaLayer[] weights = [.. layers.Where(l => l?.MediaType == ModelMedia)!];
        if (layers.Any(l => l?.MediaType == AdapterMedia))
            throw Fail($"its manifest \"{manifest}\" adds an adapter to the weights, which is not supported.");
        if (weights is not [{ Digest: { } digest, Size: var size }])
            throw Fail($"its manifest \"{manifest}\" lists {weights.Length} layers of the type {ModelMedia}; it must be one, with a digest.");
        string hash = digest.StartsWith(DigestPrefix, StringComparison.Ordinal) ? digest[DigestPrefix.Length..] : "";
        if (hash.Length != 64 || !hash.All(char.IsAsciiHexDigitLower))
            throw Fail($"its manifest \"{manifest}\" has the digest \"{ModelDownloadException.Printable(digest)}\"; it must be \"{DigestPrefix}\" and 64 hexadecimal digits.");
        string blob = Path.Combine(store, "blobs", $"sha256-{hash}");
        return FileLength.Of(blob) switch
        {
            null => throw Fail($"there is no file \"{blob}\", which its manifest names; \"ollama pull {reference.Name}\" mends it."),
            { } length when length != size => throw Fail($"\"{blob}\" has {length} bytes; by its manifest it must have {size}. \"ollama pull {reference.Name}\" mends it."),
            _ => blob,
        };

        ModelNotFoundException Fail(string problem) => new(reference.Text, problem, []);
    }

    private static OllamaManifest Read(OllamaReference reference, string path)
    {
        try
        {
            if (FileLength.Of(path) is > LongestManifest)
                throw new JsonException($"it is longer than {LongestManifest} bytes");
            using FileStream file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, ModelJson.Default.OllamaManifest) ?? throw new JsonException("it is null");
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ModelNotFoundException(reference.Text, $"its manifest \"{path}\" cannot be read: {error.Message}.", [], error);
        }
    }
}
