using System.Globalization;
using System.Text.RegularExpressions;

namespace KvChat.Models;

/// <summary>A GGUF model in a list of files: one file, or the parts of a split one.</summary>
/// <param name="Name">Path of the file, or of the split model without part numbers.</param>
/// <param name="Files">Paths of the parts that the list holds, in order.</param>
/// <param name="Parts">How many parts belong to it.</param>
internal sealed partial record GgufGroup(string Name, IReadOnlyList<string> Files, int Parts)
{
    private const string Ending = ".gguf";

    public bool IsComplete => Files.Count == Parts;

    /// <summary>Projectors of images and importance matrices are GGUF files too, but no models that can answer.</summary>
    private bool IsCompanion
    {
        get
        {
            string file = Name[(Name.LastIndexOf('/') + 1)..^Ending.Length];
            return file.Contains("mmproj", StringComparison.OrdinalIgnoreCase)
                || file.StartsWith("imatrix", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".imatrix", StringComparison.OrdinalIgnoreCase);
        }
    }

    /// <summary>All models in a list of paths, by name.</summary>
    public static List<GgufGroup> Of(IEnumerable<string> paths) =>
    [
        .. paths.Where(p => p.EndsWith(Ending, StringComparison.OrdinalIgnoreCase))
            .Distinct(StringComparer.Ordinal)
            .GroupBy(Stem)
            .Select(g => new GgufGroup(g.Key.Name, [.. g.Order(StringComparer.Ordinal)], g.Key.Parts))
            .OrderBy(g => g.Name, StringComparer.Ordinal),
    ];

    /// <summary>The model that is meant.</summary>
    /// <param name="model">The name as the user gave it, for errors.</param>
    /// <param name="place">Where the files are, for errors.</param>
    /// <param name="paths">Paths of files, with "/" between their segments.</param>
    /// <param name="choice">A path, a file's name, or a quantisation; null for the only model there is.</param>
    /// <exception cref="ModelNotFoundException">There is none, or there are several.</exception>
    public static GgufGroup Choose(string model, string place, IReadOnlyCollection<string> paths, string? choice)
    {
        List<GgufGroup> all = Of(paths);
        List<GgufGroup> models = all.FindAll(g => !g.IsCompanion);
        string[] names = [.. models.Select(g => g.Name)];
        if (all.Count == 0)
            throw new ModelNotFoundException(model, $"{place} holds no GGUF file.", [.. paths.Order(StringComparer.Ordinal)]);
        List<GgufGroup> fitting = choice is null ? models
            : choice.EndsWith(Ending, StringComparison.OrdinalIgnoreCase) ? ByFile(all, choice)
            : models.FindAll(g => HasWord(g.Name, choice));
        return fitting switch
        {
            [{ IsComplete: true } one] => one,
            [var part] => throw new ModelNotFoundException(model, $"{place} holds {part.Files.Count} of the {part.Parts} parts of {part.Name}.", part.Files),
            [] => throw new ModelNotFoundException(model, choice is null ? $"{place} holds no model that answers by itself." : $"{place} holds no GGUF file that fits \"{choice}\".", names),
            _ => throw new ModelNotFoundException(
                model, $"{place} holds {fitting.Count} models{(choice is null ? "" : $" that fit \"{choice}\"")}; name the file or its quantisation.", [.. fitting.Select(g => g.Name)]),
        };
    }

    private static List<GgufGroup> ByFile(List<GgufGroup> all, string choice)
    {
        List<GgufGroup> exact = all.FindAll(g => Is(g, choice, static f => f));
        return exact.Count > 0 ? exact : all.FindAll(g => Is(g, choice, static f => f[(f.LastIndexOf('/') + 1)..]));

        static bool Is(GgufGroup group, string choice, Func<string, string> part) => part(group.Name) == choice || group.Files.Any(f => part(f) == choice);
    }

    /// <summary>Whether a quantisation stands in a path as a word of its own: Q4_K is not in Q4_K_M.</summary>
    private static bool HasWord(string path, string word)
    {
        ReadOnlySpan<char> text = path.AsSpan(0, path.Length - Ending.Length);
        for (int start = 0; start + word.Length <= text.Length; start++)
        {
            int end = start + word.Length;
            if (text[start..end].Equals(word, StringComparison.OrdinalIgnoreCase) && (start == 0 || IsBorder(text[start - 1])) && (end == text.Length || IsBorder(text[end])))
                return true;
        }

        return false;

        static bool IsBorder(char c) => c is '-' or '.' or '/';
    }

    private static (string Name, int Parts) Stem(string path)
    {
        Match match = PartName().Match(path);
        int parts = match.Success ? int.Parse(match.Groups["count"].ValueSpan, CultureInfo.InvariantCulture) : 1;
        int number = match.Success ? int.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture) : 1;
        return match.Success && number >= 1 && number <= parts ? (match.Groups["prefix"].Value + Ending, parts) : (path, 1);
    }

    [GeneratedRegex(@"^(?<prefix>.*)-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})\.gguf\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex PartName();
}
