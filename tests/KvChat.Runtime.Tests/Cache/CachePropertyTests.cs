using FsCheck;
using FsCheck.Fluent;
using KvChat.Kernels;

namespace KvChat.Runtime.Tests.Cache;

public sealed class CachePropertyTests
{
    /// <summary>One seed, because the test also asks that every operation was carried out, and refused, often enough.</summary>
    private static readonly Config Settings = Config.QuickThrowOnFailure.WithMaxTest(1500).WithEndSize(120).WithReplay(20_261_123UL, 9_007_199_254_740_993UL);

    /// <summary>Lists of whole numbers, each of which codes one operation; shrunk by leaving operations out.</summary>
    private static Arbitrary<int[]> Operations => Arb.From(
        Gen.Choose(0, int.MaxValue - 1).ArrayOf(),
        all => Enumerable.Range(0, all.Length).Select(left => all.Where((_, i) => i != left).ToArray()));

    [Fact]
    public void Any_sequence_of_operations_equals_plain_lists_and_gives_every_page_back()
    {
        int[] done = new int[12], refused = new int[12];
        FsCheck.Check.One(Settings, Prop.ForAll(Operations, operations =>
        {
            using CacheModel model = new(pages: 60);
            foreach (int operation in operations)
            {
                int kind = operation % 12;
                (Apply(model, kind, operation / 12) ? done : refused)[kind]++;
                model.Check();
            }
        }));

        // A property over operations that are hardly ever carried out would say nothing.
        Assert.All(done, times => Assert.True(times > 200, $"done: {string.Join(", ", done)}"));
        Assert.True(refused[1] > 100, $"the pool was full {refused[1]} times");
        Assert.True(refused[6] > 0, "no eviction was refused for want of a page to copy to");
    }

    private static bool Apply(CacheModel model, int kind, int code)
    {
        Random random = new(code);
        if (model.Count == 0 || (kind == 0 && model.Count < 4))
        {
            model.New(code % 2 == 0 ? KvFormat.F16 : KvFormat.F32);
            return kind == 0;
        }

        CacheModel.Tracked at = model.Pick(code)!;
        switch (kind)
        {
            case 1 or 2:
                return model.Append(at, random.Next(kind == 1 ? 12 : 3));
            case 3 when model.Count < 6:
                model.Fork(at);
                return true;
            case 4:
                model.Truncate(at, random.Next(at.Next + 2));
                return true;
            case 5:
                return model.EvictHead(at, random.Next(2), random.Next(2), random, random.NextDouble());
            case 6:
                return model.EvictAll(at, random, random.NextDouble());
            case 7:
                model.DropLast(at, random.Next(at.Heads.Min(head => head.Count) + 1));
                return true;
            case 8:
                model.SwapOut(at);
                return true;
            case 9:
                return model.SwapIn(at);
            case 10:
                if (at.Cache.TryReserve(random.Next(5)) && random.Next(2) == 0)
                    at.Cache.ReleaseUnused();
                return at.Cache.TryUnshare();
            case 11 when random.Next(3) == 0:
                model.Drop(at);
                return true;
            default:
                return false;
        }
    }
}
