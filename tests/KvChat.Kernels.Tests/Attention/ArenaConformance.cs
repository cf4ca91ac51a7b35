namespace KvChat.Kernels.Tests.Attention;

/// <summary>What the pool of pages of every back end must do.</summary>
public abstract unsafe class ArenaConformance
{
    private const int HeadDim = 24;

    public static TheoryData<KvFormat, int> Formats => new()
    {
        { KvFormat.F16, 16 },
        { KvFormat.F16, 32 },
        { KvFormat.F32, 16 },
        { KvFormat.F32, 32 },
        { KvFormat.BF16, 16 },
        { KvFormat.K8V8, 16 },
        { KvFormat.K8V4, 32 },
        { KvFormat.K4V4, 16 },
        { KvFormat.K4V2, 16 },
    };

    protected abstract IComputeBackend Create();

    [Theory]
    [MemberData(nameof(Formats))]
    public void Moves_carry_keys_values_and_metadata_in_order(KvFormat format, int pageTokens)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = Filled(backend, format, pageTokens, 100);
        Contents before = new(world, format);
        int slots = world.Arena.PageTokens(format);
        HeadView head = world.Head(0, 0);
        int[] kept = [.. Enumerable.Range(0, 100).Where(i => i % 3 != 1)];
        KvMove[] moves = [.. kept.Select((source, target) => (source, target)).Where(m => m.source != m.target)
            .Select(m => new KvMove(head.Pages[m.source / slots], m.source % slots, head.Pages[m.target / slots], m.target % slots))];
        world.Arena.Move(format, moves);
        world.Truncate(0, 0, kept.Length);
        Contents after = new(world, format);
        for (int i = 0; i < kept.Length; i++)
            Assert.True(before.Same(kept[i], after, i), $"KV {kept[i]} is not at {i} after the move.");
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Runs_of_every_length_move_down_and_up(KvFormat format, int pageTokens)
    {
        const int Count = 320;
        using IComputeBackend backend = Create();
        using AttentionWorld world = Filled(backend, format, pageTokens, Count);
        Contents before = new(world, format);
        int slots = world.Arena.PageTokens(format);
        HeadView head = world.Head(0, 0);

        // Holes stand further and further apart: runs of 1, 2, ... between them.
        int[] kept = [.. Enumerable.Range(0, Count).Where(i => !IsTriangular(i))];
        KvMove[] down = [.. kept.Select((source, target) => Move(source, target)).Where(m => m.SourcePage != m.TargetPage || m.SourceSlot != m.TargetSlot)];
        world.Arena.Move(format, down);
        Contents packed = new(world, format);
        for (int i = 0; i < kept.Length; i++)
            Assert.True(before.Same(kept[i], packed, i), $"KV {kept[i]} is not at {i} after moving down.");
        world.Arena.Move(format, [.. kept.Select((target, source) => Move(source, target)).Reverse()]);
        Contents spread = new(world, format);
        foreach (int i in kept)
            Assert.True(before.Same(i, spread, i), $"KV {i} is not at its place after moving up.");

        KvMove Move(int source, int target) => new(head.Pages[source / slots], source % slots, head.Pages[target / slots], target % slots);
        static bool IsTriangular(int i) => Enumerable.Range(0, 30).Any(n => n * (n + 1) / 2 == i);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Page_images_and_copies_hold_everything(KvFormat format, int pageTokens)
    {
        using IComputeBackend backend = Create();
        int slots = new KvArenaShape(HeadDim, pageTokens, 1, LogWeights: true).PageTokens(format);
        using AttentionWorld world = Filled(backend, format, pageTokens, slots * 2);
        Contents before = new(world, format);
        HeadView head = world.Head(0, 0);
        byte[] image = new byte[world.Arena.PageImageBytes], both = new byte[2 * image.Length];
        world.Arena.ReadPages([head.Pages[0]], image);
        world.Arena.ReadPages([head.Pages[1], head.Pages[0]], both);
        Assert.Equal(image, both[image.Length..]);
        Assert.NotEqual(image, both[..image.Length]);
        int spare = Enumerable.Range(0, 100).First(p => !Owns(p));
        world.Arena.CopyPage(head.Pages[0], spare);
        world.Arena.WritePages([head.Pages[0]], new byte[image.Length]);
        Assert.Equal(0, new Contents(world, format).Positions[slots - 1]);
        byte[] copy = new byte[image.Length];
        world.Arena.ReadPages([spare], copy);
        Assert.Equal(image, copy);

        // A copy of a copy, and one over it: the order of the calls counts.
        int further = Enumerable.Range(0, 100).First(p => p != spare && !Owns(p));
        world.Arena.CopyPage(spare, further);
        world.Arena.CopyPage(head.Pages[1], spare);
        world.Arena.CopyPage(further, head.Pages[0]);
        world.Arena.ReadPages([spare, further], both);
        world.Arena.WritePages([head.Pages[1], further], both);
        Contents after = new(world, format);
        for (int i = 0; i < before.Positions.Length; i++)
            Assert.True(before.Same(i, after, i), $"KV {i} has changed.");

        bool Owns(int page)
        {
            for (int i = 0; i < 2; i++)
            {
                if (head.Pages[i] == page)
                    return true;
            }

            return false;
        }
    }

    [Fact]
    public void Log_weights_need_an_arena_that_has_them()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, 64));
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 3));
        Assert.Throws<InvalidOperationException>(() => world.Arena.WriteLogWeights(world.Head(sequence, 0), KvFormat.F16, new float[3]));
    }

    [Theory]
    [InlineData(12, 16, 4, "HeadDim")]
    [InlineData(64, 8, 4, "PageTokens")]
    [InlineData(64, 16, 0, "PageCount")]
    public void Shapes_without_a_layout_are_refused_by_name(int headDim, int pageTokens, int pages, string field)
    {
        using IComputeBackend backend = Create();
        Assert.Contains(field, Assert.Throws<ArgumentException>(() => backend.CreateArena(new KvArenaShape(headDim, pageTokens, pages))).Message, StringComparison.Ordinal);
    }

    private static AttentionWorld Filled(IComputeBackend backend, KvFormat format, int pageTokens, int length)
    {
        AttentionWorld world = new(backend, new LayerShape(1, 1, HeadDim) { PageTokens = pageTokens, LogWeights = true });
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, length) { Observation = ObservationMode.Window, ObservedRows = 4 });
        world.Arena.WriteLogWeights(world.Head(sequence, 0), format, [.. Enumerable.Range(0, length).Select(i => i * 0.5f)]);
        return world;
    }

    private sealed class Contents
    {
        private readonly float[] _keys;
        private readonly float[] _values;
        private readonly float[] _scores;

        public Contents(AttentionWorld world, KvFormat format)
        {
            HeadView head = world.Head(0, 0);
            _keys = new float[head.Length * HeadDim];
            _values = new float[head.Length * HeadDim];
            _scores = new float[head.Length];
            Positions = new int[head.Length];
            world.Arena.ReadKeys(head, format, _keys);
            world.Arena.ReadValues(head, format, _values);
            world.Arena.ReadScores(head, format, _scores);
            world.Arena.ReadPositions(head, format, Positions);
        }

        public int[] Positions { get; }

        public bool Same(int index, Contents other, int otherIndex) =>
            Positions[index] == other.Positions[otherIndex] && _scores[index].Equals(other._scores[otherIndex])
            && _keys.AsSpan(index * HeadDim, HeadDim).SequenceEqual(other._keys.AsSpan(otherIndex * HeadDim, HeadDim))
            && _values.AsSpan(index * HeadDim, HeadDim).SequenceEqual(other._values.AsSpan(otherIndex * HeadDim, HeadDim));
    }
}
