using KvChat.Kernels;
using KvChat.Quality;
using KvChat.Runtime.Compression;

namespace KvChat.Tests.Quality;

/// <summary>Which setting a quality comes to.</summary>
public sealed class QualityTableTests
{
    [Theory]
    [InlineData(1.0, "kv-compress", 0.25, KvFormat.F16)]
    [InlineData(0.99, "kv-compress", 0.125, KvFormat.K8V4)]
    [InlineData(0.95, "kv-compress", 0.03125, KvFormat.F16)]
    [InlineData(0.5, "kv-compress", 0.0625, KvFormat.K8V4)]
    public void The_fewest_bytes_that_reach_it_over_every_set_are_taken(double quality, string policy, double retained, KvFormat format)
    {
        KvCompression found = Find(quality, Known("a", 0.25, 1), Known("b", 0.25, 1), Known("a", 0.03125, 0.99), Known("b", 0.03125, 0.95),
            Known("a", 0.125, 0.995, KvFormat.K8V4), Known("b", 0.125, 0.99, KvFormat.K8V4), Known("a", 0.0625, 0.9, KvFormat.K8V4), Known("b", 0.0625, 0.6, KvFormat.K8V4));
        Assert.Equal((policy, retained, format, null), (found.Policy, found.RetainedRatio, found.Format, found.MinQuality));
    }

    [Fact]
    public void A_setting_that_one_set_lacks_is_not_measured() =>
        Assert.Equal(0.5, Find(0.9, Known("a", 0.5, 1), Known("b", 0.5, 1), Known("a", 0.1, 1)).RetainedRatio);

    [Fact]
    public void The_full_cache_reaches_everything()
    {
        foreach (QualityRow[] rows in (QualityRow[][])[[], [Known("a", 0.5, 0.8)], [Known("a", 0.5, 1) with { Query = QualityQuery.Unknown }], [Known("a", 0.5, 1) with { Schedule = CompressionSchedule.WhileReading }]])
            Assert.Equal((true, KvFormat.F16), (Find(0.99, rows).IsOff, Find(0.99, rows).Format));
    }

    [Fact]
    public void Formats_alone_serve_every_question_because_nothing_goes()
    {
        QualityRow coded = Known("a", 1, 1, KvFormat.K4V4) with { Policy = "off" };
        foreach (QualityQuery query in Enum.GetValues<QualityQuery>())
        {
            KvCompression found = new QualityTable("M", "", [coded, Known("a", 0.1, 1)]).Strongest(KvCompression.Safe, query, 4000, _ => true);
            Assert.Equal(query == QualityQuery.Known ? (0.1, KvFormat.F16) : (1, KvFormat.K4V4), (found.RetainedRatio, found.Format));
        }
    }

    [Fact]
    public void Formats_that_the_back_end_lacks_are_passed_over()
    {
        QualityTable table = new("M", "", [Known("a", 0.5, 1), Known("a", 0.5, 1, KvFormat.K8V4), Known("a", 0.4, 1) with { LowFormat = KvFormat.K4V2 }]);
        Assert.Equal((0.5, KvFormat.F16), Setting(table.Strongest(KvCompression.Safe, QualityQuery.Known, 4000, f => f == KvFormat.F16)));
    }

    [Theory]
    [InlineData(8000, 0.1)]
    [InlineData(2000, 0.2)]
    [InlineData(300, 1.0)]
    public void A_shorter_prompt_keeps_as_many_kvs_as_were_kept_in_the_measurement(int tokens, double ratio)
    {
        KvCompression found = new QualityTable("M", "", [Known("a", 0.1, 1)]).Strongest(KvCompression.Safe, QualityQuery.Known, tokens, _ => true);
        Assert.Equal(ratio, found.RetainedRatio, 9);
        Assert.Equal(ratio == 1, found.IsOff);
    }

    [Fact]
    public void What_was_asked_for_besides_stays()
    {
        KvCompression wanted = KvCompression.Safe with { ChunkTokens = 128, DecodeInterval = 0 };
        KvCompression found = new QualityTable("M", "", [Known("a", 0.1, 1)]).Strongest(wanted, QualityQuery.Known, 4000, _ => true);
        Assert.Equal(new KvCompression { RetainedRatio = 0.1, ChunkTokens = 128, DecodeInterval = 0 }, found);
    }

    private static (double, KvFormat) Setting(KvCompression found) => (found.RetainedRatio, found.Format);

    private static KvCompression Find(double quality, params QualityRow[] rows) =>
        new QualityTable("M", "", rows).Strongest(new KvCompression { MinQuality = quality }, QualityQuery.Known, 4000, _ => true);

    private static QualityRow Known(string set, double retained, double ofFull, KvFormat format = KvFormat.F16) => new(
        set, 4000, "kv-compress", retained, format, null, QualityQuery.Known, CompressionSchedule.AfterPrompt, 60, ofFull, retained * (format == KvFormat.F16 ? 1 : 0.43));
}
