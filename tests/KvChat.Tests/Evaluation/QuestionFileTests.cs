using KvChat.Evaluation.Grid;
using KvChat.Evaluation.Questions;
using KvChat.Kernels;
using KvChat.Quality;
using KvChat.Runtime.Compression;

namespace KvChat.Tests.Evaluation;

/// <summary>Which questions a measurement asks, and in which sessions: figures of different runs are comparable only if these agree.</summary>
public sealed class QuestionFileTests
{
    private static readonly QuestionDocument[] s_documents = [Made("a", 3), Made("b", 2), Made("c", 3)];

    private static readonly GridCell s_half = new("kv-compress", 0.5, KvFormat.K8V4, CompressionQuery.Known, CompressionSchedule.AfterPrompt, null, KvFormat.K4V2);

    [Fact]
    public void Rows_name_policy_allocator_and_formats()
    {
        QuestionRow row = Assert.Single(QuestionRow.Of(s_half, [Outcome(0, right: true)], [Outcome(0, right: true)], 1));
        Assert.Equal(("kv-compress", "global", "K8V4", "K4V2"), (row.Policy, row.Allocator, row.Format, row.LowFormat));
    }

    [Fact]
    public void The_full_cache_has_a_row_for_every_format_where_a_share_of_1_is_asked_for()
    {
        GridAxes axes = new() { Policies = ["kv-compress", "off"], Retained = [1, 0.5, 0.25], Formats = [KvFormat.K8V4, KvFormat.K4V4] };
        Assert.Equal(["off@1/k8v4/known/after", "off@1/k4v4/known/after"], Settings(axes).Cells.Where(c => c.IsFull).Select(c => c.Key));
        Assert.Equal(2 + (2 * 2), Settings(axes).Cells.Count);
        Assert.Equal(2 * 2, Settings(axes with { Retained = [0.5, 0.25] }).Cells.Count);
        Assert.Equal(2, Settings(axes with { Policies = ["off"], Retained = [0.5] }).Cells.Count);
    }

    [Fact]
    public void An_allocator_that_is_asked_for_reaches_the_request()
    {
        GridCell cell = s_half with { Allocator = "uniform" };
        Assert.Equal("uniform", Settings(new GridAxes()).Compression(cell).Allocator);
        Assert.Null(Settings(new GridAxes()).Compression(s_half).Allocator);
    }

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
        QuestionRow row = Assert.Single(QuestionRow.Of(s_half, compressed, full, 1));
        Assert.Equal((3, 2, 0.5), (row.Asked, row.Right, row.RightOfFullCache));
    }

    [Fact]
    public void The_share_of_the_full_cache_is_null_where_that_answered_nothing()
    {
        QuestionRow row = Assert.Single(QuestionRow.Of(s_half, [Outcome(0, right: true)], [Outcome(0, right: false)], 1));
        Assert.Null(row.RightOfFullCache);
    }

    [Fact]
    public void Later_turns_go_into_the_table_without_the_first_whose_question_chose()
    {
        QuestionOutcome[] full = [Turn(1, right: true, 100), Turn(2, right: true, 100), Turn(3, right: true, 100), Turn(4, right: false, 100)];
        QuestionOutcome[] compressed = [Turn(1, right: false, 90), Turn(2, right: true, 40), Turn(3, right: false, 40), Turn(4, right: true, 40)];
        QualityRow row = LaterTurns.Row("longdoc-4k", 4000, s_half, compressed, full)!;
        Assert.Equal((QualityQuery.Later, 3, 0.5, 0.4), (row.Query, row.Asked, row.OfFull, Math.Round(row.BytesOfFull, 9)));
        Assert.Equal(("longdoc-4k", 4000, "kv-compress", 0.5, KvFormat.K8V4, (KvFormat?)KvFormat.K4V2), (row.Set, row.Tokens, row.Policy, row.Retained, row.Format, row.LowFormat));
        Assert.Null(LaterTurns.Row("longdoc-4k", 4000, s_half, compressed, [full[0], full[3]]));
    }

    [Theory]
    [InlineData(1, null, "--turns")]
    [InlineData(2, 32, "--window")]
    public void A_table_of_later_turns_takes_policies_as_they_are_and_more_than_one_turn(int turns, int? window, string named)
    {
        QuestionSettings settings = Settings(new GridAxes()) with { Turns = turns, Window = window };
        settings.ValidateTable();
        Assert.Contains(named, Assert.Throws<ArgumentException>((settings with { Table = "t" }).ValidateTable).Message, StringComparison.Ordinal);
    }

    private static QuestionOutcome Turn(int turn, bool right, long bytes) => new(0, turn, right, bytes, bytes, 1, "");

    private static QuestionDocument Made(string id, int questions) =>
        new(id, "text", [.. Enumerable.Range(1, questions).Select(i => new DocumentQuestion($"{id}{i}", "answer", "value"))]);

    private static QuestionSettings Settings(GridAxes axes) => new() { Model = "m", Questions = "q", Axes = axes };

    private static string[][] Asked(int? limit, int turns) =>
        [.. QuestionFile.Sessions(s_documents, limit, turns).Select(s => s.Questions.Select(q => q.Question).ToArray())];

    private static QuestionOutcome Outcome(int session, bool right) => new(session, 1, right, 1, 1, 1, "");
}
