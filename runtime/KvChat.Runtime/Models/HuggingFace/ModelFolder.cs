using System.Text.Json;
using KvChat.Runtime.Models.Safetensors;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Text;

namespace KvChat.Runtime.Models.HuggingFace;

/// <summary>The files beside the weights in a folder of the Hugging Face layout: tokeniser, chat template, and what generation should mind.</summary>
internal sealed class ModelFolder
{
    private const string TokenizerName = "tokenizer.json", TokenizerConfigName = "tokenizer_config.json", GenerationName = "generation_config.json",
        TemplateName = "chat_template.jinja", OldTemplateName = "chat_template.json", TemplateField = "chat_template", DefaultTemplate = "default";

    private const int LongestTokenizer = 256 << 20, LongestOther = 16 << 20;

    private readonly string _path;
    private readonly byte[]? _tokenizerConfig;

    public ModelFolder(string path)
    {
        _path = path;
        _tokenizerConfig = ReadIfThere(TokenizerConfigName, LongestOther);
        byte[]? generation = ReadIfThere(GenerationName, LongestOther);
        StopTokens = ReadStopTokens(GenerationName, generation) ?? ReadStopTokens(HuggingFaceConfiguration.FileName, ReadIfThere(HuggingFaceConfiguration.FileName, LongestOther)) ?? [];
        Sampling = ReadFields(GenerationName, generation, static f => RecommendedSampling.Of(f, GenerationName)) ?? new SamplingOptions();
        ChatTemplate = ReadTemplate();
    }

    /// <summary>Tokens that end a reply, as generation_config.json says it, or else config.json; empty where neither does.</summary>
    public IReadOnlyList<int> StopTokens { get; }

    /// <summary>How tokens should be drawn.</summary>
    public SamplingOptions Sampling { get; }

    /// <summary>The chat template (Jinja), if there is one.</summary>
    public string? ChatTemplate { get; }

    /// <summary>Whether a path names such a folder, or a file of one.</summary>
    /// <param name="path">A folder, or its config.json, index or a file of its weights.</param>
    /// <param name="folder">The folder.</param>
    public static bool TryFind(string path, out string folder)
    {
        bool isFile = path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".json", StringComparison.OrdinalIgnoreCase);
        folder = isFile && File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
        return Directory.Exists(folder);
    }

    /// <summary>The tokeniser.</summary>
    /// <exception cref="FileNotFoundException">There is no tokenizer.json.</exception>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    public Tokenizer ReadTokenizer() =>
        TokenizerFactory.FromTokenizerJson(SmallFile.Read(Path.Combine(_path, TokenizerName), LongestTokenizer), _tokenizerConfig, StopTokens);

    private static int[]? ReadStopTokens(string name, byte[]? json) => ReadFields(name, json, static f => f.Int32s("eos_token_id", 0, int.MaxValue));

    /// <summary>A file of its own wins over the field of the tokeniser's configuration.</summary>
    private string? ReadTemplate()
    {
        if (ReadIfThere(TemplateName, LongestOther) is { } own)
            return System.Text.Encoding.UTF8.GetString(own);
        return ReadFields(OldTemplateName, ReadIfThere(OldTemplateName, LongestOther), static f => f.Text(TemplateField))
            ?? ReadFields(TokenizerConfigName, _tokenizerConfig, Template);
    }

    /// <summary>One template, or a list of named ones, of which the default counts.</summary>
    private static string? Template(JsonFields fields)
    {
        if (fields.Find(TemplateField) is not { ValueKind: JsonValueKind.Array } list)
            return fields.Text(TemplateField);
        foreach (JsonElement item in list.EnumerateArray())
        {
            var named = new JsonFields(item, TokenizerConfigName, TemplateField);
            if (named.Text("name") == DefaultTemplate)
                return named.Text("template");
        }

        return null;
    }

    private static T? ReadFields<T>(string name, byte[]? json, Func<JsonFields, T?> read)
        where T : class
    {
        if (json is null)
            return null;
        using JsonDocument document = SmallFile.Parse(json, name);
        return read(new JsonFields(document.RootElement, name));
    }

    private byte[]? ReadIfThere(string name, int longest)
    {
        string path = Path.Combine(_path, name);
        return File.Exists(path) ? SmallFile.Read(path, longest) : null;
    }
}
