using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>Eviction where the pages are: it keeps what the host keeps on the same scores, and scores and moves stay on the device.</summary>
public abstract class EvictionConformance
{
    private static readonly float[] Values = [0, -0f, 0.5f, 1, 1, 2, 3, 1e-30f, -1, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN];

    private static readonly PromptSpan[] Spans =
    [
        new(PromptSpanKind.System, 20, 9, KvRetention.Pinned),
        new(PromptSpanKind.EarlierTurn, 24, 30, KvRetention.Droppable),
        new(PromptSpanKind.Question, 100, 6, KvRetention.Preferred),
    ];

    /// <summary>A back end; <paramref name="seed"/> may choose what differs from run to run.</summary>
    protected abstract CudaBackend Create(int seed);

    [Theory]
    [InlineData("kv-compress", 0.25, KvFormat.F16, 1)]
    [InlineData("kv-compress", 0.125, KvFormat.K8V4, 2)]
    [InlineData("kv-compress", 0.125, KvFormat.F32, 3)]
    [InlineData("leankv", 0.25, KvFormat.F16, 4)]
    [InlineData("leankv", 0.125, KvFormat.K4V2, 5)]
    public void The_device_keeps_what_the_host_keeps_ties_and_marks_included(string policy, double ratio, KvFormat format, int seed)
    {
        using IComputeBackend processor = RandomModel.Backend();
        using CudaBackend device = Create(seed);
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
            long readBefore = Launches(device, "kv_read_field"), listedBefore = Launches(device, "kv_list_moves"), choices = Launches(device, "kv_select_drop");
            PromptSpan[] spans = round == 2 ? [] : Spans;
            int[][] expected = host.Compress(settings, spans, tokens, history), actual = own.Compress(settings, spans, tokens, history);
            Assert.Equal(expected, actual);
            Assert.Contains(expected, head => head.Length < tokens / 2);
            Assert.Equal(readBefore + own.HeadCount, Launches(device, "kv_read_field")); // those of this test
            Assert.Equal(listedBefore + 1, Launches(device, "kv_list_moves"));
            Assert.Equal(choices + 1, Launches(device, "kv_select_drop"));
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

    private static long Launches(CudaBackend backend, string kernel) => backend.Queue.KernelsInUse.Where(used => used.Name == kernel).Sum(used => used.Launches);
}
