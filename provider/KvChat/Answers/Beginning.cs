namespace KvChat.Answers;

/// <summary>Finds what must be held back of a text that comes in pieces.</summary>
internal static class Beginning
{
    /// <summary>Length of the longest end of the text that is a beginning of the mark, but not all of it.</summary>
    public static int HeldBack(ReadOnlySpan<char> text, ReadOnlySpan<char> mark)
    {
        for (int length = Math.Min(mark.Length - 1, text.Length); length > 0; length--)
        {
            if (text.EndsWith(mark[..length]))
                return length;
        }

        return 0;
    }
}
