namespace KvChat.Gpu.Benchmarks;

/// <summary>
/// The steps of a run, put together to rounds: the device is done with a step for certain only when a token of it has been read, so that a round ends with a step in which sequences decoded.
/// </summary>
internal sealed class StepLog
{
    // A batch counts as the largest one when it has so much of it.
    private const double NearlyLargest = 0.9;

    private readonly Lock _gate = new();
    private readonly List<Round> _rounds = [];
    private int _promptRows;
    private TimeSpan _elapsed;

    /// <summary>Most sequences that decoded in one step.</summary>
    public int LargestBatch
    {
        get
        {
            lock (_gate)
                return _rounds.Select(round => round.AnswerRows).DefaultIfEmpty().Max();
        }
    }

    /// <summary>Notes a step.</summary>
    /// <param name="promptRows">Rows of prompts.</param>
    /// <param name="answerRows">Rows of sequences that decode.</param>
    /// <param name="elapsed">What the step took.</param>
    public void Add(int promptRows, int answerRows, TimeSpan elapsed)
    {
        lock (_gate)
        {
            _promptRows += promptRows;
            _elapsed += elapsed;
            if (answerRows == 0)
                return;
            _rounds.Add(new Round(_promptRows, answerRows, _elapsed));
            (_promptRows, _elapsed) = (0, TimeSpan.Zero);
        }
    }

    /// <summary>Forgets all steps.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _rounds.Clear();
            (_promptRows, _elapsed) = (0, TimeSpan.Zero);
        }
    }

    /// <summary>Seconds that a decoded token took while the batch was largest or nearly so: what was left of each such round beside its rows of prompts.</summary>
    /// <param name="secondsPerPromptRow">What a row of a prompt takes.</param>
    public double SecondsPerAnswerToken(double secondsPerPromptRow)
    {
        int largest = LargestBatch;
        lock (_gate)
        {
            Round[] full = [.. _rounds.Where(round => round.AnswerRows >= NearlyLargest * largest)];
            return full.Sum(round => round.Elapsed.TotalSeconds - (round.PromptRows * secondsPerPromptRow)) / full.Sum(round => round.AnswerRows);
        }
    }

    private readonly record struct Round(int PromptRows, int AnswerRows, TimeSpan Elapsed);
}
