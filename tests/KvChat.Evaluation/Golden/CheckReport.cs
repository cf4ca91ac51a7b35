using System.Globalization;

namespace KvChat.Evaluation.Golden;

/// <summary>Prints one line a check, with its figure and bound, and remembers whether one missed.</summary>
public sealed class CheckReport(TextWriter output)
{
    /// <summary>Checks that held.</summary>
    public int Passed { get; private set; }

    /// <summary>Checks that did not.</summary>
    public int Missed { get; private set; }

    /// <summary>What was not checked.</summary>
    public int Skipped { get; private set; }

    /// <summary>A figure that must not exceed its bound; not a number misses.</summary>
    public void AtMost(string check, double figure, double bound, string what) =>
        Line(figure <= bound, check, $"{what} {Number(figure)}, at most {Number(bound)}");

    /// <summary>All of so many must be equal.</summary>
    /// <param name="check">Name.</param>
    /// <param name="equal">How many are.</param>
    /// <param name="of">How many there are.</param>
    /// <param name="what">What they are.</param>
    /// <param name="firstDifference">Where the first difference is, or null.</param>
    public void Equal(string check, int equal, int of, string what, string? firstDifference = null) =>
        Line(equal == of && of > 0, check, $"{equal} of {of} {what}, all must be equal{(equal == of || firstDifference is null ? "" : $"; first: {firstDifference}")}");

    /// <summary>Something that is missing or not covered.</summary>
    public void Skip(string check, string why)
    {
        Skipped++;
        output.WriteLine($"skipped  {check,-58} {why}");
    }

    /// <summary>A check that could not be carried through counts as missed.</summary>
    public void Failed(string check, Exception error) => Line(false, check, $"{error.GetType().Name}: {error.Message.ReplaceLineEndings(" ")}");

    /// <summary>Carries checks through; an error of theirs counts as one that missed.</summary>
    public void Guard(string check, Action checks)
    {
        ArgumentNullException.ThrowIfNull(checks);
        try
        {
            checks();
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            Failed(check, error);
        }
    }

    private void Line(bool holds, string check, string figure)
    {
        if (holds)
            Passed++;
        else
            Missed++;
        output.WriteLine($"{(holds ? "ok      " : "MISSED  ")} {check,-58} {figure}");
    }

    private static string Number(double value) => value.ToString("0.######", CultureInfo.InvariantCulture) is var text && text == "0" && value != 0
        ? value.ToString("0.##e+0", CultureInfo.InvariantCulture)
        : text;
}
