using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>Every compression policy on the device: it scores and keeps what it does on the processor.</summary>
public sealed class CudaPolicyTests
{
    // Halves are read on tensor cores, singles plainly.
    public static TheoryData<string, KvFormat> Policies
    {
        get
        {
            TheoryData<string, KvFormat> data = [];
            foreach (string name in CompressionPolicies.Names.Where(name => name != CompressionPolicies.Off))
            {
                data.Add(name, KvFormat.F16);
                data.Add(name, KvFormat.F32);
            }

            return data;
        }
    }

    [EmulatorTheory]
    [MemberData(nameof(Policies))]
    public void A_policy_scores_and_keeps_what_it_does_on_the_processor(string policy, KvFormat format)
    {
        (float[][] scores, int[][] kept) = Run(RandomModel.Backend(), policy, format);
        (float[][] scoresOnDevice, int[][] keptOnDevice) = Run(FakeDriver.Open(), policy, format);
        foreach ((float[] expected, float[] actual) in scores.Zip(scoresOnDevice))
        {
            float scale = expected.Max(Math.Abs);
            foreach ((float one, float other) in expected.Zip(actual))
                Assert.InRange(other, one - Bound(one), one + Bound(one));

            // A half of a key may be rounded the other way.
            float Bound(float score) => (format == KvFormat.F16 ? 2e-3f : 1e-4f) * (Math.Abs(score) + (1e-2f * scale));
        }

        Assert.Equal(kept, keptOnDevice);
        Assert.Contains(kept, head => head.Length < PolicyReader.Tokens);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    private static (float[][] Scores, int[][] Kept) Run(IComputeBackend backend, string policy, KvFormat format)
    {
        using IComputeBackend owned = backend;
        using PolicyReader reader = new(backend, policy, format);
        reader.Read();
        float[][] scores = reader.Scores();
        return (scores, reader.Compress());
    }
}
