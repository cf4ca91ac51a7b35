namespace KvChat.Runtime.Text;

/// <summary>A run of characters of a <see cref="RenderedText"/> that came from one place.</summary>
/// <param name="Start">Index of the first UTF-16 code unit.</param>
/// <param name="Length">Number of UTF-16 code units.</param>
/// <param name="Origin"><see cref="RenderedText.Template"/>, or the number (from 1) that the caller gave to the piece of user content.</param>
public readonly record struct OriginRun(int Start, int Length, int Origin);

/// <summary>
/// A prompt as text that remembers, per character, where it came from. Only characters of the template may form special tokens:
/// what a user wrote never becomes one, whatever it looks like.
/// </summary>
public sealed class RenderedText
{
    /// <summary>Origin of the characters that the chat template itself wrote.</summary>
    public const int Template = 0;

    /// <summary>Makes a text from its runs, which must cover it without gaps, in order.</summary>
    /// <exception cref="ArgumentException">The runs do not cover the text exactly.</exception>
    public RenderedText(string text, IReadOnlyList<OriginRun> runs)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(runs);
        int end = 0;
        foreach (OriginRun run in runs)
        {
            if (run.Start != end || run.Length < 0)
                throw new ArgumentException($"Run at {run.Start} of length {run.Length} does not follow on {end}.", nameof(runs));
            end += run.Length;
        }

        if (end != text.Length)
            throw new ArgumentException($"The runs cover {end} of {text.Length} characters.", nameof(runs));
        Text = text;
        Runs = runs;
    }

    /// <summary>The characters.</summary>
    public string Text { get; }

    /// <summary>Where they came from: consecutive runs that cover the text.</summary>
    public IReadOnlyList<OriginRun> Runs { get; }

    /// <summary>A text all of whose characters have one origin.</summary>
    public static RenderedText From(string text, int origin)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(text, text.Length == 0 ? [] : [new OriginRun(0, text.Length, origin)]);
    }
}
