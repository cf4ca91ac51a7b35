using System.Text;

namespace KvChat.Answers;

/// <summary>
/// Finds stop sequences in text that comes in pieces. Text that may be the beginning of one is held back until that is settled. The sequence whose last
/// character comes first counts, so it does not matter how the text was cut into pieces. One per answer.
/// </summary>
internal sealed class StopSequenceMatcher(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>Whether a sequence has been found; everything behind it is dropped.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Takes a piece and gives the text that is certain to belong to the answer.</summary>
    public string Append(string text)
    {
        if (stops.Count == 0)
            return text;
        foreach (char c in text)
        {
            if (IsStopped)
                break;
            _held.Append(c);
            if (Found() is not { } length)
                continue;
            IsStopped = true;
            _held.Length -= length;
            return Take(_held.Length);
        }

        return IsStopped ? "" : Take(_held.Length - HeldBack());
    }

    /// <summary>The answer is over: gives what was held back.</summary>
    public string Flush() => Take(_held.Length);

    /// <summary>Length of the longest sequence that the text ends with now.</summary>
    private int? Found()
    {
        int? longest = null;
        foreach (string stop in stops)
        {
            if (stop.Length > (longest ?? 0) && stop.Length <= _held.Length && EndsWith(stop))
                longest = stop.Length;
        }

        return longest;
    }

    /// <summary>Length of the longest end of the text that is a beginning of a sequence.</summary>
    private int HeldBack()
    {
        string held = _held.ToString();
        return stops.Max(stop => Beginning.HeldBack(held, stop));
    }

    private bool EndsWith(string stop)
    {
        int start = _held.Length - stop.Length;
        for (int i = 0; i < stop.Length; i++)
        {
            if (_held[start + i] != stop[i])
                return false;
        }

        return true;
    }

    private string Take(int length)
    {
        if (length == 0)
            return "";
        string taken = _held.ToString(0, length);
        _held.Remove(0, length);
        return taken;
    }
}
