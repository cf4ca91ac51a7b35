namespace KvChat.Evaluation.Questions;

/// <summary>Which questions a limit leaves: question 1 of every document, then question 2, and so on.</summary>
internal static class QuestionChoice
{
    /// <summary>How many of its first questions each document is asked.</summary>
    /// <param name="questions">Questions of each document.</param>
    /// <param name="limit">Most questions together.</param>
    public static int[] Taken(int[] questions, int limit)
    {
        var taken = new int[questions.Length];
        for (int round = 0; limit > 0 && questions.Any(count => count > round); round++)
        {
            for (int i = 0; i < questions.Length && limit > 0; i++)
            {
                if (questions[i] <= round)
                    continue;
                taken[i]++;
                limit--;
            }
        }

        return taken;
    }
}
