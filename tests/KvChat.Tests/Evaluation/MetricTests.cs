using KvChat.Evaluation.Metrics;

namespace KvChat.Tests.Evaluation;

/// <summary>The published metrics on cases worked out by hand.</summary>
public sealed class MetricTests
{
    [Theory]
    [InlineData("the cat sat", "A cat sat.", 1)] // articles, case and punctuation do not count
    [InlineData("cat dog", "cat bird", 0.5)] // precision 1/2, recall 1/2
    [InlineData("cat cat cat", "cat", 0.5)] // a word counts as often as it is wanted: precision 1/3, recall 1
    [InlineData("dog", "cat", 0)]
    [InlineData("", "cat", 0)]
    public void Word_f1_counts_common_words(string answer, string right, double score) =>
        Assert.Equal(score, LongBenchMetrics.WordF1.Score(answer, new ExpectedAnswer(right)), 9);

    [Fact]
    public void The_best_of_several_right_answers_counts() =>
        Assert.Equal(1, LongBenchMetrics.WordF1.Score("blue", new ExpectedAnswer("red", "blue")));

    [Theory]
    [InlineData("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5", 8, 5, 4)] // the union of two subsequences, from the ROUGE paper: 4 of 5 words
    [InlineData("a b c", "a b c", 3, 3, 3)]
    [InlineData("c b a", "a b c", 3, 3, 1)] // order matters
    public void Rouge_l_unites_subsequences(string answer, string reference, int said, int wanted, int common)
    {
        double recall = (double)common / wanted, precision = (double)common / said;
        Assert.Equal(2 * recall * precision / (recall + precision), LongBenchMetrics.RougeL.Score(answer, new ExpectedAnswer(reference)), 6);
    }

    [Theory]
    [InlineData("", "a")]
    [InlineData("a", "")]
    [InlineData("...", "a")]
    public void Rouge_l_of_nothing_is_nothing(string answer, string reference) =>
        Assert.Equal(0, LongBenchMetrics.RougeL.Score(answer, new ExpectedAnswer(reference)));

    [Theory]
    [InlineData("It is a City", 1)]
    [InlineData("City or Person", 0.5)]
    [InlineData("Person", 0)]
    public void Classification_shares_its_point_among_the_classes_named(string answer, double score) =>
        Assert.Equal(score, LongBenchMetrics.Classification.Score(answer, new ExpectedAnswer(["City"], ["City", "Person", "Date"])), 9);

    [Fact]
    public void A_class_that_is_part_of_the_right_ones_name_is_not_counted_against_it() =>
        Assert.Equal(1, LongBenchMetrics.Classification.Score("Other entity", new ExpectedAnswer(["Other entity"], ["Other entity", "entity"])));

    [Fact]
    public void Retrieval_and_count_are_shares_of_the_numbers_said()
    {
        Assert.Equal(0.5, LongBenchMetrics.Retrieval.Score("Paragraph 12, not 3", new ExpectedAnswer("Paragraph 12")), 9);
        Assert.Equal(0, LongBenchMetrics.Retrieval.Score("none", new ExpectedAnswer("Paragraph 12")));
        Assert.Equal(1, LongBenchMetrics.Count.Score("There are 7.", new ExpectedAnswer("7")), 9);
    }

    [Theory]
    [InlineData("```\nreturn x;", "return x;", 1)] // the fence is no code line
    [InlineData("abcd", "abxd", 0.75)] // 3 common of 4 and 4 characters
    public void Code_is_compared_by_its_first_line(string answer, string right, double score) =>
        Assert.Equal(score, LongBenchMetrics.CodeSimilarity.Score(answer, new ExpectedAnswer(right)), 9);

    [Fact]
    public void Rulers_matches_count_parts_or_any()
    {
        var expected = new ExpectedAnswer("12", "34", "56", "78");
        Assert.Equal(0.5, MatchMetrics.All.Score("12 and 56", expected), 9);
        Assert.Equal(1, MatchMetrics.Any.Score("56", expected), 9);
        Assert.Equal(0, MatchMetrics.Any.Score("9", expected), 9);
    }
}
