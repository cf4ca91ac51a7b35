using System.Text.RegularExpressions;

namespace KvChat.Models;

/// <summary>What a model's name means, read without a look at the net or at any store.</summary>
internal abstract partial record ModelReference(string Text)
{
    private const string HubForm = "\"hf:owner/name\", with \"@revision\" and \":file or quantisation\" behind it where wanted";

    private const string OllamaForm = "\"ollama:name\" or \"ollama:name:tag\", before the name \"namespace/\" or \"host/namespace/\" where wanted";

    /// <summary>A short name for people, by which clients report the model.</summary>
    public abstract string Name { get; }

    /// <summary>Reads a name.</summary>
    /// <param name="model">A file or folder, <c>hf:owner/name[@revision][:choice]</c>, <c>owner/name:choice</c>, <c>ollama:name[:tag]</c> or <c>embedded</c>.</param>
    /// <exception cref="FormatException">It has none of these forms; the message says what would be right, as the end of a sentence ("must be …").</exception>
    public static ModelReference Parse(string model)
    {
        if (string.IsNullOrWhiteSpace(model))
            throw new FormatException($"must be the path of a GGUF file or of a model's folder, {HubForm}, {OllamaForm}, or \"{KvCompressChatOptions.EmbeddedModel}\"");
        if (model.Contains('\0', StringComparison.Ordinal))
            throw new FormatException("must not contain the character U+0000");
        if (string.Equals(model, KvCompressChatOptions.EmbeddedModel, StringComparison.OrdinalIgnoreCase))
            return new FileReference(model, EmbeddedPath);
        if (model.StartsWith(HubReference.Prefix, StringComparison.OrdinalIgnoreCase))
            return Hub(model, model[HubReference.Prefix.Length..]);
        if (model.StartsWith(OllamaReference.Prefix, StringComparison.OrdinalIgnoreCase))
            return Ollama(model, model[OllamaReference.Prefix.Length..]);
        string path = Path.GetFullPath(model);
        bool isHub = !Path.Exists(path) && HubName().Match(model) is { Success: true } match && match.Groups["choice"].Success;
        return isHub ? Hub(model, model) : new FileReference(model, path);
    }

    private static string EmbeddedPath => Path.Combine(AppContext.BaseDirectory, "models", "kvchat-tiny-q8_0.gguf");

    private static HubReference Hub(string text, string name)
    {
        Match match = HubName().Match(name);
        string owner = match.Groups["owner"].Value;
        string repository = match.Groups["name"].Value;
        string revision = match.Groups["revision"] is { Success: true } given ? given.Value : HubReference.DefaultRevision;
        string? choice = match.Groups["choice"] is { Success: true } chosen ? chosen.Value : null;
        if (!match.Success || !IsHubName(owner) || !IsHubName(repository))
            throw new FormatException($"must be {HubForm}, such as \"hf:Qwen/Qwen3-4B-GGUF:Q4_K_M\"");
        if (!RepositoryPath.IsSafe(revision))
            throw new FormatException("must have a branch, a tag or a commit as its revision");
        return choice is null || RepositoryPath.IsSafe(choice)
            ? new HubReference(text, owner, repository, revision, choice)
            : throw new FormatException("must have the path of a GGUF file in the repository, a quantisation such as Q4_K_M, or \"safetensors\", after its colon");
    }

    /// <summary>The hub forbids "--" and ".." in names; with them two repositories could share a cache folder.</summary>
    private static bool IsHubName(string name) =>
        name.Length <= 96 && !name.Contains("--", StringComparison.Ordinal) && !name.Contains("..", StringComparison.Ordinal) && RepositoryPath.IsSafeSegment(name);

    private static OllamaReference Ollama(string text, string name)
    {
        int colon = name.LastIndexOf(':');
        bool hasTag = colon > name.LastIndexOf('/');
        string tag = hasTag ? name[(colon + 1)..] : OllamaReference.DefaultTag;
        string[] parts = (hasTag ? name[..colon] : name).Split('/');
        string[] all = parts.Length switch
        {
            1 => [OllamaReference.DefaultHost, OllamaReference.DefaultNamespace, parts[0], tag],
            2 => [OllamaReference.DefaultHost, parts[0], parts[1], tag],
            _ => [.. parts, tag],
        };
        return all.Length == 4 && all.All(p => OllamaPart().IsMatch(p))
            ? new OllamaReference(text, all[0], all[1], all[2], all[3])
            : throw new FormatException($"must be {OllamaForm}, such as \"ollama:llama3.2:3b\"");
    }

    [GeneratedRegex(@"^(?<owner>[A-Za-z0-9_][A-Za-z0-9._-]*)/(?<name>[A-Za-z0-9_][A-Za-z0-9._-]*)(@(?<revision>[A-Za-z0-9._/-]+))?(:(?<choice>.+))?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex HubName();

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9._:-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex OllamaPart();
}

/// <summary>A file or folder of this machine.</summary>
internal sealed record FileReference(string Text, string Path) : ModelReference(Text)
{
    public override string Name => Directory.Exists(Path) ? NameOfFolder(Path)
        : IsOfFolder && System.IO.Path.GetDirectoryName(Path) is { Length: > 0 } folder ? NameOfFolder(folder)
        : System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>Files of a folder in the Hugging Face layout are all named alike.</summary>
    private bool IsOfFolder => Path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || Path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);

    private static string NameOfFolder(string path) => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(path));
}

/// <summary>A repository of the hub.</summary>
/// <param name="Text">The name as it was given.</param>
/// <param name="Owner">A user or an organisation.</param>
/// <param name="Repository">Name of the repository.</param>
/// <param name="Revision">A branch, tag or commit.</param>
/// <param name="Choice">A file of it or a quantisation; null for the only one there is.</param>
internal sealed record HubReference(string Text, string Owner, string Repository, string Revision, string? Choice) : ModelReference(Text)
{
    public const string Prefix = "hf:";

    public const string DefaultRevision = "main";

    /// <summary>Owner and name.</summary>
    public string Id => $"{Owner}/{Repository}";

    public override string Name => Id + (Revision == DefaultRevision ? "" : $"@{Revision}") + (Choice is null ? "" : $":{Choice}");
}

/// <summary>A model of Ollama's local store.</summary>
internal sealed record OllamaReference(string Text, string Host, string Namespace, string Model, string Tag) : ModelReference(Text)
{
    public const string Prefix = "ollama:";

    public const string DefaultHost = "registry.ollama.ai";

    public const string DefaultNamespace = "library";

    public const string DefaultTag = "latest";

    /// <summary>The name as Ollama shows it: without what is the default.</summary>
    public override string Name => (Host, Namespace) switch
    {
        (DefaultHost, DefaultNamespace) => $"{Model}:{Tag}",
        (DefaultHost, _) => $"{Namespace}/{Model}:{Tag}",
        _ => $"{Host}/{Namespace}/{Model}:{Tag}",
    };
}
