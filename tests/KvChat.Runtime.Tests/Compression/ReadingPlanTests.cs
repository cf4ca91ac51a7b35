using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Tests.Compression;

public sealed class ReadingPlanTests
{
    private static readonly KvCompression s_known = new() { RetainedRatio = 0.25, ObservationWindow = 8, ChunkTokens = 64 };

    [Fact]
    public void Without_compression_there_is_no_stop()
    {
        var plan = new ReadingPlan(KvCompression.Off, [], 1000, 0);
        Assert.Null(plan.NextStop(0));
        Assert.Equal(300, plan.NextEnd(200, 100, 0));
    }

    [Fact]
    public void After_the_prompt_the_window_is_the_end_of_the_question_and_all_that_follows()
    {
        var plan = new ReadingPlan(s_known, [new(PromptSpanKind.Question, 80, 15, KvRetention.Pinned)], 100, 0);
        Assert.Equal(new CompressionStop(100, 87, 13, false), plan.NextStop(0));
    }

    [Theory]
    [InlineData(60, 90, 60)] // 30 tokens of question: all of them, and the ten behind
    [InlineData(85, 90, 85)]
    [InlineData(97, 98, 92)] // one word: eight tokens all the same
    [InlineData(20, 90, 58)] // longer than the window: its end
    public void The_window_reaches_back_to_the_start_of_the_question_and_no_further(int start, int end, int expected)
    {
        var plan = new ReadingPlan(s_known with { ObservationWindow = 32 }, [new(PromptSpanKind.Question, start, end - start, KvRetention.Preferred)], 100, 0);
        Assert.Equal(new CompressionStop(100, expected, 100 - expected, false), plan.NextStop(0));
    }

    [Fact]
    public void While_reading_the_end_of_the_prompt_follows_every_chunk_as_a_suffix()
    {
        var plan = new ReadingPlan(s_known with { Schedule = CompressionSchedule.WhileReading }, [], 200, 0);
        Assert.Equal(new CompressionStop(64, 192, 8, true), plan.NextStop(0));
        Assert.Equal(new CompressionStop(128, 192, 8, true), plan.NextStop(64));
        Assert.Equal(new CompressionStop(192, 192, 8, true), plan.NextStop(130));
        Assert.Equal(new CompressionStop(200, 192, 8, false), plan.NextStop(192));
        Assert.Null(plan.NextStop(200));
    }

    [Fact]
    public void Unknown_question_is_not_looked_at()
    {
        KvCompression unknown = s_known with { Schedule = CompressionSchedule.WhileReading, Query = CompressionQuery.Unknown };
        var plan = new ReadingPlan(unknown, [new(PromptSpanKind.Question, 130, 20, KvRetention.Pinned)], 155, 0);
        Assert.Equal(new CompressionStop(64, 56, 8, false), plan.NextStop(0));
        Assert.Equal(new CompressionStop(128, 120, 8, false), plan.NextStop(64));
        Assert.Equal(new CompressionStop(130, 128, 2, false), plan.NextStop(128)); // never over what a stop has already compressed
        Assert.Null(plan.NextStop(130));
    }

    [Theory]
    [InlineData(CompressionSchedule.AfterPrompt, CompressionQuery.Known)]
    [InlineData(CompressionSchedule.WhileReading, CompressionQuery.Known)]
    [InlineData(CompressionSchedule.AfterPrompt, CompressionQuery.Unknown)]
    [InlineData(CompressionSchedule.WhileReading, CompressionQuery.Unknown)]
    public void However_pieces_are_cut_every_stop_is_met_and_no_window_is_split(CompressionSchedule schedule, CompressionQuery query)
    {
        var random = new Random(5);
        for (int round = 0; round < 2000; round++)
        {
            int length = random.Next(1, 400), start = random.Next(0, length), question = random.Next(0, length);
            KvCompression compression = s_known with { Schedule = schedule, Query = query, ObservationWindow = random.Next(1, 40) };
            PromptSpan[] spans = round % 3 == 0 ? [] : [new(PromptSpanKind.Question, question, random.Next(0, length - question + 1), KvRetention.Pinned)];
            var plan = new ReadingPlan(compression, spans, length, start);
            Assert.Equal(Stops(plan, start, length, () => 10_000, ReadingPlan.MaxWindowRows), Stops(plan, start, length, () => random.Next(1, 90), ReadingPlan.MaxWindowRows));
        }
    }

    /// <summary>Reads a prompt in pieces of the given sizes and returns the stops that were met.</summary>
    private static List<CompressionStop> Stops(ReadingPlan plan, int start, int length, Func<int> rows, int windowRows)
    {
        var stops = new List<CompressionStop>();
        for (int at = start; at < length;)
        {
            int end = plan.NextEnd(at, rows(), windowRows);
            Assert.True(end > at, "no progress although the window rows suffice");
            CompressionStop? stop = plan.NextStop(at);
            if (stop is { IsSuffix: false } window && end > window.WindowStart)
                Assert.Equal(window.End, end);
            if (stop?.End == end)
                stops.Add(stop.Value);
            at = end;
        }

        return stops;
    }
}
