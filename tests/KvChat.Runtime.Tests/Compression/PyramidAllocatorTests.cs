using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>The pyramid against its formula in fp64.</summary>
public sealed class PyramidAllocatorTests
{
    [Theory]
    [InlineData(256, 36, 4000)]
    [InlineData(1024, 36, 4000)]
    [InlineData(1024, 36, 1200)] // the lowest layer would have more than there is
    [InlineData(32, 36, 4000)] // the floor alone
    public void The_best_KVs_of_every_head_stay_as_many_as_the_formula_gives(int perHead, int floor, int length)
    {
        const int Layers = 5, KvHeads = 2;
        Random random = new(perHead);
        float[] scores = [.. Enumerable.Range(0, Layers * KvHeads * length).Select(_ => random.NextSingle())];
        bool[] keep = new bool[scores.Length];
        new PyramidAllocator().Allocate(
            new SelectionInput
            {
                KvHeads = KvHeads, PageTokens = 16, Lengths = Enumerable.Repeat(length, Layers * KvHeads).ToArray(), Scores = scores, AllowedPages = perHead / 16 * Layers * KvHeads, FloorKvs = floor,
            },
            keep);
        double n = Math.Max(0, perHead - floor), last = n / 20, first = (2 * n) - last;
        if (first > length - floor)
            (first, last) = (length - floor, Math.Min(length - floor, (2 * n) - (length - floor)));
        for (int head = 0; head < Layers * KvHeads; head++)
        {
            int own = floor + (int)(first - ((first - last) * (head / KvHeads) / (Layers - 1)) + 1e-9);
            int[] best = [.. Enumerable.Range(head * length, length).OrderByDescending(i => scores[i]).ThenBy(i => i).Take(own).Order()];
            Assert.Equal(best, Enumerable.Range(head * length, length).Where(i => keep[i]));
        }
    }

    [Fact]
    public void A_model_of_one_layer_has_the_mean() => Assert.Equal(36 + 200, PyramidAllocator.Budget(0, 1, 236, 36, 4000));
}
