using System.CommandLine.Parsing;
using System.Globalization;

namespace KvChat.Evaluation;

/// <summary>Reads values of options that several commands have, with errors that name the option and what would be right.</summary>
internal static class OptionValues
{
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

        return [.. shares];
    }

    /// <summary>The words of a list with commas or spaces between.</summary>
    public static IEnumerable<string> Parts(ArgumentResult result) =>
        result.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>Refuses a number that is too small.</summary>
    public static void AtLeast(int least, int value, string name, Action<string> addError)
    {
        if (value < least)
            addError($"{name} is {value}; it must be {least} or more.");
    }
}
