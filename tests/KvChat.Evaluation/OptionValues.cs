using System.CommandLine.Parsing;
using System.Globalization;
using KvChat.Kernels;

namespace KvChat.Evaluation;

/// <summary>Reads values of options that several commands have, with errors that name the option and what would be right.</summary>
internal static class OptionValues
{
    private const string NoFormat = "none";

    /// <summary>Shares of KVs, with commas between.</summary>
    public static double[]? Shares(ArgumentResult result)
    {
        var shares = new List<double>();
        foreach (string text in Parts(result))
        {
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double share) && share is > 0 and <= 1)
                shares.Add(share);
            else
                result.AddError($"--retained has '{text}'; shares are numbers above 0 and at most 1, with commas between.");
        }

        return [.. shares.Distinct()];
    }

    /// <summary>Words of a list; <c>all</c> stands for every one.</summary>
    public static string[]? Words(ArgumentResult result, string option, IReadOnlyList<string> allowed)
    {
        var words = new List<string>();
        foreach (string word in Parts(result))
        {
            if (word == "all")
                words.AddRange(allowed);
            else if (allowed.Contains(word))
                words.Add(word);
            else
                result.AddError($"{option} has '{word}'; there are: {string.Join(", ", allowed)}, and all.");
        }

        return [.. words.Distinct()];
    }

    /// <summary>Formats of KVs.</summary>
    public static KvFormat[]? Formats(ArgumentResult result)
    {
        var formats = new List<KvFormat>();
        foreach (string word in Parts(result))
        {
            if (Format(result, "--format", word, "") is { } format)
                formats.Add(format);
        }

        return [.. formats.Distinct()];
    }

    /// <summary>Formats of KVs that matter less; null for the word <c>none</c>.</summary>
    public static KvFormat?[]? LowFormats(ArgumentResult result)
    {
        var formats = new List<KvFormat?>();
        foreach (string word in Parts(result))
        {
            if (word == NoFormat)
                formats.Add(null);
            else if (Format(result, "--low-format", word, $"{NoFormat}, ") is { } format)
                formats.Add(format);
        }

        return [.. formats.Distinct()];
    }

    /// <summary>Numbers of tokens, such as 1500 or 4k.</summary>
    public static int[]? Lengths(ArgumentResult result)
    {
        var lengths = new List<int>();
        foreach (string word in Parts(result))
        {
            bool thousands = word.EndsWith('k');
            if (int.TryParse(thousands ? word[..^1] : word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1_000_000)
                lengths.Add(thousands ? number * 1000 : number);
            else
                result.AddError($"'{word}' is no length; lengths are tokens, such as 1500 or 4k.");
        }

        return [.. lengths.Distinct()];
    }

    /// <summary>The words of a list with commas or spaces between.</summary>
    public static IEnumerable<string> Parts(ArgumentResult result) =>
        result.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>Refuses a number that is too small.</summary>
    public static void AtLeast(double least, double value, string name, Action<string> addError)
    {
        if (!(value >= least))
            addError(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {least} or more."));
    }

    private static KvFormat? Format(ArgumentResult result, string option, string word, string others)
    {
        if (Enum.TryParse(word, ignoreCase: true, out KvFormat format) && Enum.IsDefined(format) && !char.IsAsciiDigit(word[0]))
            return format;
        result.AddError($"{option} has '{word}'; there are: {others}{string.Join(", ", Enum.GetNames<KvFormat>())}.");
        return null;
    }
}
