using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>Who evicts, and how pages are copied.</summary>
public sealed class CudaEvictionTests
{
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
