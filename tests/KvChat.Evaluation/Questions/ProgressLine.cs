using System.Diagnostics;

namespace KvChat.Evaluation.Questions;

/// <summary>
/// A progress bar on standard error: redrawn in place in a terminal, a line now and then where the output is redirected. Safe for concurrent use.
/// </summary>
internal sealed class ProgressLine(string what, int total)
{
    private const int Width = 30;
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private TimeSpan _shown;
    private int _done, _right;

    /// <summary>Counts one more answer.</summary>
    public void Step(bool right)
    {
        lock (_gate)
        {
            _done++;
            _right += right ? 1 : 0;
            TimeSpan now = Stopwatch.GetElapsedTime(_start);
            if (Console.IsErrorRedirected && _done < total && now - _shown < s_quiet)
                return;
            _shown = now;
            Draw(now);
        }
    }

    private void Draw(TimeSpan elapsed)
    {
        int filled = _done * Width / total;
        string line = $"{what,-24} [{new string('#', filled)}{new string('.', Width - filled)}] {_done}/{total}, {_right} right, {elapsed.TotalSeconds:0} s";
        if (Console.IsErrorRedirected)
            Console.Error.WriteLine(line);
        else
            Console.Error.Write(_done == total ? $"\r{line}   \n" : $"\r{line}   ");
    }
}
