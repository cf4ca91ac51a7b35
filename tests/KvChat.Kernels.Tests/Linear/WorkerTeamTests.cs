using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Tests.Linear;

public sealed unsafe class WorkerTeamTests
{
    private struct Counts
    {
        public int* Chunks;
        public fixed int Workers[8];
        public int Sum;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_worker_runs_once_and_every_chunk_is_taken_once(int threads)
    {
        using WorkerTeam team = new(threads);
        Counts counts = new() { Chunks = team.ChunkCounter };
        for (int run = 1; run <= 200; run++)
        {
            counts.Sum = 0;
            team.Run(&Count, &counts);
            Assert.Equal(100 * 99 / 2, counts.Sum);
            for (int worker = 0; worker < threads; worker++)
            {
                Assert.Equal(run, counts.Workers[worker]);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_chunk_is_done_when_late_workers_are_left_out(int threads)
    {
        using WorkerTeam team = new(threads);
        Counts counts = new() { Chunks = team.ChunkCounter };
        for (int run = 1; run <= 20_000; run++)
        {
            counts.Sum = 0;
            team.RunChunks(&Count, &counts);
            Assert.Equal(100 * 99 / 2, counts.Sum);
            Assert.Equal(run, counts.Workers[0]);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void An_exception_of_any_worker_reaches_the_caller_and_the_team_lives_on(int failing)
    {
        using WorkerTeam team = new(3);
        int[] state = GC.AllocateArray<int>(1, pinned: true);
        state[0] = failing;
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(() => RunFailing(team, state));
        Assert.Equal($"worker {failing}", error.Message);
        Counts counts = new() { Chunks = team.ChunkCounter };
        team.Run(&Count, &counts);
        Assert.Equal(100 * 99 / 2, counts.Sum);
    }

    [Fact]
    public void A_disposed_team_runs_nothing()
    {
        WorkerTeam team = new(2);
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => RunFailing(team, [0]));
    }

    [Theory]
    [InlineData(null, "", null)]
    [InlineData(128, "256", 128)]
    [InlineData(null, "0", 0)]
    [InlineData(0, null, 0)]
    public void The_width_comes_from_options_then_environment_then_machine(int? asked, string? environment, int? expected) =>
        Assert.Equal(expected ?? SimdWidths.Widest, SimdWidths.Resolve(asked, environment));

    [Theory]
    [InlineData(64, null, "SimdWidth is 64")]
    [InlineData(null, "wide", "KVCHAT_SIMD is 'wide'")]
    [InlineData(null, "1024", "KVCHAT_SIMD is 1024")]
    public void A_senseless_width_is_refused_by_name(int? asked, string? environment, string message)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => SimdWidths.Resolve(asked, environment));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    private static void RunFailing(WorkerTeam team, int[] failing)
    {
        fixed (int* worker = failing)
        {
            team.Run(&Fail, worker);
        }
    }

    private static void Count(void* state, int worker)
    {
        Counts* counts = (Counts*)state;
        counts->Workers[worker]++;
        for (int chunk = WorkerTeam.TakeChunk(counts->Chunks); chunk < 100; chunk = WorkerTeam.TakeChunk(counts->Chunks))
        {
            Interlocked.Add(ref counts->Sum, chunk);
        }
    }

    private static void Fail(void* state, int worker)
    {
        if (worker == *(int*)state)
            throw new InvalidOperationException($"worker {worker}");
    }
}
