using KvChat.Runtime.Scheduling;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>Drives a scheduler step by step on the test's own thread.</summary>
internal static class SchedulerDriver
{
    public static Session Add(this Scheduler scheduler, GenerationRequest request)
    {
        int output = RequestChecks.OutputTokens(request, scheduler);
        var session = new Session(request, output, new Generation(output, static () => { }));
        scheduler.Enqueue(session);
        return session;
    }

    /// <summary>Steps until nothing is left, proving after each step that every page is accounted for.</summary>
    public static void RunAll(this Scheduler scheduler)
    {
        for (int steps = 0; scheduler.HasWork; steps++)
        {
            Assert.True(steps < 100_000, "the scheduler makes no progress");
            scheduler.Step();
            scheduler.Audit();
        }
    }

    /// <summary>The result of a session that has ended: the test's thread has driven it there, so nothing is waited for.</summary>
    public static GenerationResult Result(this Session session)
    {
        Assert.True(session.Handle.Completion.IsCompletedSuccessfully, session.Handle.Completion.Exception?.ToString());
        return session.Handle.Completion.GetAwaiter().GetResult();
    }

    public static int[] Answer(this Session session)
    {
        Assert.True(session.Handle.Completion.IsCompletedSuccessfully, session.Handle.Completion.Exception?.ToString());
        return session.Tokens[session.PromptLength..session.TokenCount];
    }
}
