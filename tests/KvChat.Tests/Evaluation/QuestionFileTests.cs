using KvChat.Evaluation.Questions;

namespace KvChat.Tests.Evaluation;

/// <summary>Which questions a measurement asks, and in which sessions: figures of different runs are comparable only if these agree.</summary>
public sealed class QuestionFileTests
{
    private static readonly QuestionDocument[] s_documents = [Made("a", 3), Made("b", 2), Made("c", 3)];

    [Fact]
    public void A_limit_takes_the_first_question_of_every_document_before_any_second_one()
    {
        Assert.Equal(["a1", "b1", "c1", "a2", "b2"], Asked(limit: 5, turns: 1).SelectMany(s => s));
    }

    [Fact]
    public void Without_limit_every_question_is_asked_once_in_a_session_of_its_own()
    {
        string[][] sessions = Asked(limit: null, turns: 1);
        Assert.All(sessions, s => Assert.Single(s));
        Assert.Equal(["a1", "a2", "a3", "b1", "b2", "c1", "c2", "c3"], sessions.SelectMany(s => s).Order());
    }

    [Fact]
    public void Turns_put_so_many_questions_of_a_document_into_one_session()
    {
        Assert.Equal([["a1", "a2"], ["b1", "b2"], ["c1", "c2"], ["a3"], ["c3"]], Asked(limit: null, turns: 2));
    }

    [Fact]
    public void A_line_that_is_no_document_is_named()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "{\"id\":\"a\",\"document\":\"d\",\"qa\":[{\"question\":\"q\",\"answer\":\"a\",\"value\":\"v\"}]}\n{\"id\":\"b\"}\n");
            FormatException error = Assert.Throws<FormatException>(() => QuestionFile.Read(path));
            Assert.Contains("line 2", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void The_share_of_the_full_cache_counts_only_questions_that_it_answered()
    {
        QuestionOutcome[] full = [Outcome(0, right: true), Outcome(1, right: true), Outcome(2, right: false)];
        QuestionOutcome[] compressed = [Outcome(0, right: true), Outcome(1, right: false), Outcome(2, right: true)];
        var settings = new QuestionSettings { Model = "m", Questions = "q", Policy = "kv-compress", Retained = [0.5] };
        QuestionRow row = Assert.Single(QuestionRow.Of(settings, 0.5, compressed, full, 1));
        Assert.Equal((3, 2, 0.5), (row.Asked, row.Right, row.RightOfFullCache));
    }

    [Fact]
    public void The_share_of_the_full_cache_is_null_where_that_answered_nothing()
    {
        var settings = new QuestionSettings { Model = "m", Questions = "q", Policy = "kv-compress", Retained = [0.5] };
        QuestionRow row = Assert.Single(QuestionRow.Of(settings, 0.5, [Outcome(0, right: true)], [Outcome(0, right: false)], 1));
        Assert.Null(row.RightOfFullCache);
    }

    private static QuestionDocument Made(string id, int questions) =>
        new(id, "text", [.. Enumerable.Range(1, questions).Select(i => new DocumentQuestion($"{id}{i}", "answer", "value"))]);

    private static string[][] Asked(int? limit, int turns) =>
        [.. QuestionFile.Sessions(s_documents, limit, turns).Select(s => s.Questions.Select(q => q.Question).ToArray())];

    private static QuestionOutcome Outcome(int session, bool right) => new(session, 1, right, 1, 1, 1, "");
}
