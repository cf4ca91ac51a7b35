using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;

namespace KvChat.Cuda.Tests;

/// <summary>Selection on the device against the runtime's own on the same scores.</summary>
public abstract class SelectionConformance
{
    private static readonly float[] Values = [0, -0f, 0.5f, 1, 1, 2, 3, 1e-30f, -1, float.MaxValue, float.NegativeInfinity, float.NaN];

    /// <summary>A back end; <paramref name="seed"/> may choose what differs from run to run.</summary>
    protected abstract CudaBackend Create(int seed);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void The_device_drops_the_KVs_that_the_processor_drops(int seed)
    {
        using CudaBackend backend = Create(seed);
        using CudaSelection selection = new(backend.Queue);
        Random random = new(seed);
        Case[] cases = [.. Enumerable.Range(0, 12).Select(_ => new Case(random, longest: 70)), new Case(random, longest: 700, heads: 3), new Case(random, longest: 9, heads: 300)];
        List<SelectionHead> heads = [];
        List<SelectionSequence> sequences = [];
        int first = 0;
        foreach (Case at in cases)
            at.List(heads, sequences, ref first);
        float[] scores = [.. cases.SelectMany(c => c.Scores)];
        bool[] expected = [.. cases.SelectMany(c => c.OnProcessor())];

        nint scoresAt = backend.Queue.Allocate(scores.Length * sizeof(float)), keepAt = backend.Queue.Allocate(scores.Length);
        backend.Queue.Upload(scoresAt, MemoryMarshal.AsBytes<float>(scores));
        selection.Select(CollectionsMarshal.AsSpan(heads), CollectionsMarshal.AsSpan(sequences), scoresAt, keepAt);
        byte[] keep = new byte[scores.Length];
        backend.Queue.Download(keepAt, keep);
        Assert.Equal(expected, keep.Select(k => k != 0));
        Assert.Contains(false, expected);
        Assert.Contains(true, expected);
    }

    /// <summary>A sequence with ragged heads, many equal scores, some that are pinned.</summary>
    private sealed class Case
    {
        private readonly int[] _lengths;
        private readonly int _pageTokens, _allowed, _floor;
        private readonly bool _mayEmpty;

        public Case(Random random, int longest, int heads = 0)
        {
            _lengths = new int[heads == 0 ? random.Next(1, 9) : heads];
            for (int i = 0; i < _lengths.Length; i++)
                _lengths[i] = random.Next(0, longest);
            _pageTokens = random.Next(1, 6);
            int pages = _lengths.Sum(PagesFor);
            _allowed = random.Next(0, pages + 2);
            _mayEmpty = random.Next(4) == 0;
            _floor = _mayEmpty ? 0 : random.Next(0, 12);
            bool plain = random.Next(2) == 0;
            Scores = new float[_lengths.Sum()];
            for (int i = 0; i < Scores.Length; i++)
                Scores[i] = random.Next(8) == 0 ? float.PositiveInfinity : plain ? random.NextSingle() : Values[random.Next(Values.Length)];
        }

        public float[] Scores { get; }

        public void List(List<SelectionHead> heads, List<SelectionSequence> sequences, ref int first)
        {
            sequences.Add(new SelectionSequence { FirstHead = heads.Count, HeadCount = _lengths.Length, PageTokens = _pageTokens, ToFree = _lengths.Sum(PagesFor) - _allowed });
            foreach (int length in _lengths)
            {
                int floor = _mayEmpty ? 0 : GlobalPageEviction.FloorPages(length, _floor, _pageTokens);
                heads.Add(new SelectionHead { First = first, Length = length, Sequence = sequences.Count - 1, Most = PagesFor(length) - floor });
                first += length;
            }
        }

        public bool[] OnProcessor()
        {
            bool[] keep = new bool[Scores.Length];
            new GlobalPageEviction().Allocate(
                new SelectionInput { KvHeads = 1, PageTokens = _pageTokens, Lengths = _lengths, Scores = Scores, AllowedPages = _allowed, FloorKvs = _floor, MayEmpty = _mayEmpty }, keep);
            return keep;
        }

        private int PagesFor(int length) => (length + _pageTokens - 1) / _pageTokens;
    }
}
