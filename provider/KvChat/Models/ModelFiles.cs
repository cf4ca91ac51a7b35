using System.Globalization;
using System.Text.RegularExpressions;

namespace KvChat.Models;

/// <summary>Chooses the files of a model in a list of files: a GGUF model, or the one in the Hugging Face layout.</summary>
internal static partial class ModelFiles
{
    /// <summary>What a name says after its colon to mean the model in the Hugging Face layout where GGUF files lie beside it.</summary>
    public const string Safetensors = "safetensors";

    private const string Configuration = "config.json", Tokenizer = "tokenizer.json", Whole = "model.safetensors", Index = "model.safetensors.index.json";

    private static readonly string[] Optional = ["generation_config.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json"];

    /// <summary>The files of the model that is meant, first the one to open; what is small comes before the weights.</summary>
    /// <param name="model">The name as the user gave it, for errors.</param>
    /// <param name="place">Where the files are, for errors.</param>
    /// <param name="paths">Paths of files, with "/" between their segments.</param>
    /// <param name="choice">A path, a file's name, a quantisation, or <see cref="Safetensors"/>; null for the only model there is.</param>
    /// <exception cref="ModelNotFoundException">There is none, or there are several.</exception>
    public static IReadOnlyList<string> Choose(string model, string place, IReadOnlyCollection<string> paths, string? choice)
    {
        bool isAsked = string.Equals(choice, Safetensors, StringComparison.OrdinalIgnoreCase);
        if (!isAsked && (choice is not null || GgufGroup.Of(paths).Count > 0))
            return GgufGroup.Choose(model, place, paths, choice).Files;
        string[] present = [.. paths];
        if (!present.Contains(Configuration) && !isAsked)
            return GgufGroup.Choose(model, place, paths, choice).Files; // which says that there is nothing
        string[] missing = [.. ((string[])[Configuration, Tokenizer]).Except(present, StringComparer.Ordinal)];
        if (missing.Length > 0)
            throw new ModelNotFoundException(model, $"{place} lacks {string.Join(" and ", missing)}, which a model in safetensors needs.", [.. present.Order(StringComparer.Ordinal)]);
        return [Configuration, Tokenizer, .. Optional.Intersect(present, StringComparer.Ordinal), .. Weights(model, place, present)];
    }

    private static IEnumerable<string> Weights(string model, string place, string[] present)
    {
        if (present.Contains(Whole))
            return [Whole];
        (string File, Match Match)[] shards = [.. present.Select(f => (f, ShardName().Match(f))).Where(s => s.Item2.Success).OrderBy(s => s.f, StringComparer.Ordinal)];
        int count = shards.Length == 0 ? 0 : int.Parse(shards[0].Match.Groups["count"].ValueSpan, CultureInfo.InvariantCulture);
        return present.Contains(Index) && count > 0 && shards.Length == count
            ? [Index, .. shards.Select(s => s.File)]
            : throw new ModelNotFoundException(
                model, $"{place} has neither {Whole} nor {Index} with all of its shards ({shards.Length} of {count} are there).", [.. present.Order(StringComparer.Ordinal)]);
    }

    [GeneratedRegex(@"^model-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})\.safetensors\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex ShardName();
}
