using KvChat.Evaluation.Golden;

namespace KvChat.Tests.Evaluation;

/// <summary>A comparison must not pass by accident.</summary>
public sealed class CheckReportTests
{
    [Theory]
    [InlineData(0.02, 0.02, true)]
    [InlineData(0.021, 0.02, false)]
    [InlineData(double.NaN, 0.02, false)]
    public void A_figure_holds_up_to_its_bound(double figure, double bound, bool holds)
    {
        var report = new CheckReport(TextWriter.Null);
        report.AtMost("check", figure, bound, "difference");
        Assert.Equal(holds ? (1, 0) : (0, 1), (report.Passed, report.Missed));
    }

    [Fact]
    public void Nothing_to_compare_is_a_miss()
    {
        var report = new CheckReport(TextWriter.Null);
        report.Equal("check", 0, 0, "rows");
        Assert.Equal(1, report.Missed);
    }
}
