using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Tests.Compression;

public sealed class CompressionBudgetTests
{
    [Theory]
    [InlineData(0.125, 90, 640, 450)]
    [InlineData(0.25, 16, 641, 164)]
    [InlineData(0.29, 10, 160, 29)] // 0.29 * 100 is 28.999999999999996 in binary
    [InlineData(0.3, 3, 17, 1)]
    public void A_ratio_is_a_share_of_the_full_cache_in_whole_pages(double ratio, int heads, int seen, int pages) =>
        Assert.Equal(pages, CompressionBudget.AskedPages(new KvCompression { RetainedRatio = ratio }, heads, seen, 16));

    [Theory]
    [InlineData(128, 640, 720)]
    [InlineData(129, 640, 810)]
    [InlineData(1000, 640, 3600)]
    [InlineData(int.MaxValue, 640, 3600)]
    public void A_number_of_KVs_is_rounded_up_to_pages_and_never_above_the_full_cache(int kvs, int seen, int pages) =>
        Assert.Equal(pages, CompressionBudget.AskedPages(new KvCompression { RetainedKvs = kvs }, 90, seen, 16));

    [Theory]
    [InlineData(32, 4, 640, 270)] // 36 KVs are three pages a head
    [InlineData(28, 4, 640, 180)]
    [InlineData(1, 0, 640, 90)]
    [InlineData(32, 4, 20, 180)] // no more than there is
    public void The_floor_is_a_page_or_sinks_and_window_in_pages(int window, int sinks, int seen, int pages)
    {
        KvCompression settings = new() { RetainedRatio = 1e-6, ProtectedTokens = window, SinkTokens = sinks };
        Assert.Equal(pages, CompressionBudget.AllowedPages(settings, 90, seen, 16));
    }

    [Fact]
    public void The_full_cache_is_allowed_where_compression_is_off()
    {
        Assert.Equal(3600, CompressionBudget.AllowedPages(KvCompression.Off, 90, 640, 16));
        Assert.Equal(3600, CompressionBudget.AllowedPages(new KvCompression { RetainedRatio = 1 }, 90, 640, 16));
    }

    [Fact]
    public void Queries_are_counted_for_each_position()
    {
        ScoreHistory history = ScoreHistory.OfWindow(68, 100);
        Assert.False(history.HasAdded);
        Assert.Equal(32, history.QueriesThatSaw(3));
        Assert.Equal(1, history.QueriesThatSaw(99));
        Assert.Equal(0, history.QueriesThatSaw(100));

        history = history.WithAdded(100, 101).WithAdded(101, 110);
        Assert.True(history.HasAdded);
        Assert.Equal(42, history.QueriesThatSaw(68));
        Assert.Equal(41, history.QueriesThatSaw(69));
        Assert.Equal(10, history.QueriesThatSaw(100));
        Assert.Equal(1, history.QueriesThatSaw(109));
        Assert.Equal(0, history.QueriesThatSaw(110));
        Assert.Throws<ArgumentException>(() => history.WithAdded(111, 112));
        Assert.Equal(ScoreHistory.OfWindow(5, 9), ScoreHistory.OfWindow(5, 9).WithAdded(9, 9));
    }

    [Fact]
    public void Every_policy_in_the_registry_passes_validation_and_others_do_not()
    {
        foreach (string name in CompressionPolicies.Names)
            new KvCompression { Policy = name }.Validate();
        Assert.Contains("kv-compress", Assert.Throws<ArgumentException>(() => new KvCompression { Policy = "none" }.Validate()).Message, StringComparison.Ordinal);
        Assert.Contains("kv-compress", Assert.Throws<ArgumentException>(() => CompressionPolicies.Get("none")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_observed_follows_the_settings()
    {
        AttentionScorer scorer = new();
        KvCompression settings = new() { RetainedRatio = 0.5, ObservationWindow = 8, Squared = false };
        Assert.Equal(new Observation(Kernels.ObservationMode.Window, int.MaxValue, 15, false), scorer.ObservePrompt(settings, 15));
        Assert.Equal(7, scorer.ObservePrompt(settings with { PoolWidth = 7 }, 15).PoolWidth);
        Assert.Equal(Kernels.ObservationMode.Accumulate, scorer.ObserveDecode(settings).Mode);
        Assert.Equal(Observation.None, scorer.ObserveDecode(settings with { DecodeInterval = 0 }));
        Assert.Equal(Observation.None, scorer.ObservePrompt(KvCompression.Off, 15));
    }
}
