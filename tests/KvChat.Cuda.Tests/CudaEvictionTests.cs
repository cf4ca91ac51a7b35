using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>Eviction where the pages are: it keeps what the host keeps on the same scores, and scores and moves stay on the device.</summary>
public sealed class CudaEvictionTests
{
    private static readonly float[] Values = [0, -0f, 0.5f, 1, 1, 2, 3, 1e-30f, -1, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN];

    private static readonly PromptSpan[] Spans =
    [
        new(PromptSpanKind.System, 20, 9, KvRetention.Pinned),
        new(PromptSpanKind.EarlierTurn, 24, 30, KvRetention.Droppable),
        new(PromptSpanKind.Question, 100, 6, KvRetention.Preferred),
    ];

    [EmulatorTheory]
    [InlineData("kv-compress", 0.25, KvFormat.F16, 1)]
    [InlineData("kv-compress", 0.125, KvFormat.K8V4, 2)]
    [InlineData("kv-compress", 0.125, KvFormat.F32, 3)]
    [InlineData("leankv", 0.25, KvFormat.F16, 4)]
    [InlineData("leankv", 0.125, KvFormat.K4V2, 5)]
    public void The_device_keeps_what_the_host_keeps_ties_and_marks_included(string policy, double ratio, KvFormat format, int seed)
    {
        using IComputeBackend processor = RandomModel.Backend(), device = FakeDriver.Open(("ORDER", seed % 3));
        using PolicyReader host = new(processor, policy, format), own = new(device, policy, format);
        KvCompression settings = new() { Policy = policy, RetainedRatio = ratio, ProtectedTokens = 12, SinkTokens = 3, Format = format };
        int tokens = 0;
        for (int round = 0; round < 3; round++)
        {
            // From the second round on heads are ragged, and scores are divided by the queries that saw them.
            int rows = round == 0 ? PolicyReader.Tokens : 40;
            host.Step(tokens, rows, Observation.None);
            own.Step(tokens, rows, Observation.None);
            tokens += rows;
            ScoreHistory history = ScoreHistory.OfWindow(tokens - 30, tokens - 10);
            history = round == 0 ? history : history.WithAdded(tokens - 10, tokens);
            host.Write(Score);
            own.Write(Score);
            long readBefore = FakeDriver.Launches("kv_read_field"), listedBefore = FakeDriver.Launches("kv_list_moves"), choices = FakeDriver.Launches("kv_select_drop");
            PromptSpan[] spans = round == 2 ? [] : Spans;
            int[][] expected = host.Compress(settings, spans, tokens, history), actual = own.Compress(settings, spans, tokens, history);
            Assert.Equal(expected, actual);
            Assert.Contains(expected, head => head.Length < tokens / 2);
            Assert.Equal(readBefore + own.HeadCount, FakeDriver.Launches("kv_read_field")); // those of this test
            Assert.Equal(listedBefore + 1, FakeDriver.Launches("kv_list_moves"));
            Assert.Equal(choices + 1, FakeDriver.Launches("kv_select_drop"));
            Assert.Equal(host.Cache.PageCount, own.Cache.PageCount);
            for (int head = 0; head < own.HeadCount; head++)
            {
                foreach ((float one, float other) in host.Keys(head).Zip(own.Keys(head)))
                    Assert.InRange(other, one - 0.5f, one + 0.5f);
            }
        }

        float Score(int head, int i)
        {
            Random random = new((seed * 1_000_003) + (head * 1009) + (i * 7) + (tokens * 31));
            return head % 2 == 0 ? Values[random.Next(Values.Length)] : random.Next(5) / 4f;
        }
    }

    [EmulatorFact]
    public void Shared_pages_are_copied_together_and_a_sequence_comes_back_from_the_host_in_few_launches()
    {
        using IComputeBackend device = FakeDriver.Open();
        using PolicyReader reader = new(device, "kv-compress", KvFormat.F16);
        reader.Step(0, PolicyReader.Tokens, Observation.None);
        float[] keys = reader.Keys(1);
        using (Runtime.Cache.SequenceCache fork = reader.Cache.Fork())
        {
            Assert.True(fork.TryUnshare());
            Assert.Equal(0, FakeDriver.Launches("kv_copy_pages"));
            using Runtime.Cache.HostImage image = reader.Cache.ToHost();
            Assert.Equal(2, FakeDriver.Launches("kv_copy_pages"));
            Assert.Equal(0, reader.Cache.PageCount);
            Assert.True(reader.Cache.TryFromHost(image));
            Assert.Equal(keys, reader.Keys(1));
            Assert.Equal(3, FakeDriver.Launches("kv_copy_pages"));
        }

        Assert.Equal(keys, reader.Keys(1));
    }

    [EmulatorFact]
    public void A_sequence_that_shares_pages_is_evicted_by_the_host()
    {
        using IComputeBackend device = FakeDriver.Open();
        using PolicyReader reader = new(device, "kv-compress", KvFormat.F16);
        reader.Step(0, PolicyReader.Tokens, Observation.None);
        using Runtime.Cache.SequenceCache fork = reader.Cache.Fork();
        reader.Write((_, i) => i % 7);
        int[][] kept = reader.Compress(new KvCompression { RetainedRatio = 0.25 }, [], PolicyReader.Tokens, ScoreHistory.OfWindow(140, 160));
        Assert.All(kept, head => Assert.True(head.Length < PolicyReader.Tokens));
        Assert.Equal(PolicyReader.Tokens, fork.KeptPerHead[0]);
        Assert.Equal(0, FakeDriver.Launches("kv_select_drop"));
    }
}
