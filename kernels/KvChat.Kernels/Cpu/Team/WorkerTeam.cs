using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu;

/// <summary>
/// Threads that belong to one back end. <see cref="Run"/> calls a function once on every worker, the caller being worker 0, and returns
/// when all are done. Between runs workers spin for some tens of microseconds, then sleep. Nothing is allocated per run.
/// </summary>
/// <remarks>Runs come from one thread at a time and do not nest. Which worker takes which chunk is open, so no result may depend on it.</remarks>
internal sealed unsafe class WorkerTeam : IDisposable
{
    // A pause takes about 40 to 140 cycles, by processor: this is some 20 to 60 microseconds, longer than the gap between two operations.
    private const int SpinRounds = 1500;

    private const int GenerationShift = 32;
    private const long Closed = 1L << 31;
    private const long CountMask = Closed - 1;

    private readonly Worker[] _workers;
    private readonly AutoResetEvent _done = new(false);
    private readonly NativeBuffer _memory = new(sizeof(Shared));
    private readonly Shared* _shared;
    private delegate*<void*, int, void> _work;
    private void* _state;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stopping;
    private bool _disposed;
    private int _generation;

    /// <summary>Starts <paramref name="count"/> - 1 threads.</summary>
    public WorkerTeam(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _shared = (Shared*)_memory.Data;
        _workers = new Worker[count - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker(this, i + 1);
        }

        foreach (Worker worker in _workers)
        {
            worker.Start();
        }
    }

    private int Generation => (int)(Volatile.Read(ref _shared->Entrance) >> GenerationShift);

    /// <summary>Workers, the caller included.</summary>
    public int Count { get; }

    /// <summary>The counter behind <see cref="TakeChunk()"/>, for work that knows the team by pointers only.</summary>
    public int* ChunkCounter => &_shared->Next;

    /// <summary>Calls <paramref name="work"/> with <paramref name="state"/> and the worker's number on every worker.</summary>
    /// <exception cref="ObjectDisposedException">The team has been disposed of.</exception>
    /// <remarks>The first exception of any worker is thrown here, after all have finished.</remarks>
    public void Run(delegate*<void*, int, void> work, void* state)
    {
        Start(work, state);
        Execute(0);
        AwaitOthers(_workers.Length);
        Throw();
    }

    /// <summary>
    /// The same for work that takes chunks: a worker that has not begun when the caller runs out of chunks is not waited for, and does not
    /// begin any more. On a busy machine a step then does not hang on a thread that the system has put aside.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The team has been disposed of.</exception>
    public void RunChunks(delegate*<void*, int, void> work, void* state)
    {
        Start(work, state);
        Execute(0);
        AwaitOthers((int)(Interlocked.Or(ref _shared->Entrance, Closed) & CountMask));
        Throw();
    }

    private void Start(delegate*<void*, int, void> work, void* state)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _shared->Next = 0;
        _shared->Finished = 0;
        _work = work;
        _state = state;
        Publish();
    }

    // Opens the entrance of the next generation: from here on workers may read what the run is.
    private void Publish()
    {
        _generation++;
        Interlocked.Exchange(ref _shared->Entrance, (long)_generation << GenerationShift);
        foreach (Worker worker in _workers)
        {
            worker.WakeIfAsleep();
        }
    }

    // Counts a worker in, or says that the run is over for those who come now.
    private bool TryEnter(int generation)
    {
        while (true)
        {
            long entrance = Volatile.Read(ref _shared->Entrance);
            if ((int)(entrance >> GenerationShift) != generation || (entrance & Closed) != 0)
                return false;
            if (Interlocked.CompareExchange(ref _shared->Entrance, entrance + 1, entrance) == entrance)
                return true;
        }
    }

    private void Throw()
    {
        if (_failure is { } failure)
        {
            _failure = null;
            failure.Throw();
        }
    }

    /// <summary>The next of the chunks 0, 1, 2, ... of the run at hand, each given to one worker only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int TakeChunk() => TakeChunk(&_shared->Next);

    /// <summary>The next chunk by <see cref="ChunkCounter"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int TakeChunk(int* counter) => Interlocked.Increment(ref *counter) - 1;

    /// <summary>Stops the threads and waits for them.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _stopping = true;
        Publish();
        foreach (Worker worker in _workers)
        {
            worker.Dispose();
        }

        _done.Dispose();
        _memory.Dispose();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is thrown again on the caller's thread.")]
    private void Execute(int worker)
    {
        try
        {
            _work(_state, worker);
        }
        catch (Exception exception)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
        }
    }

    private void AwaitOthers(int count)
    {
        for (int i = 0; i < SpinRounds; i++)
        {
            if (Volatile.Read(ref _shared->Finished) == count)
                return;
            Pause();
        }

        // Whoever comes second, a worker that finishes or this caller at its flag, sees the other: see Finish.
        Interlocked.Exchange(ref _shared->CallerSleeps, 1);
        while (Volatile.Read(ref _shared->Finished) != count)
        {
            _done.WaitOne();
        }

        Interlocked.Exchange(ref _shared->CallerSleeps, 0);
    }

    private void Finish()
    {
        Interlocked.Increment(ref _shared->Finished);
        if (Volatile.Read(ref _shared->CallerSleeps) != 0)
            _done.Set();
    }

    private static void Pause()
    {
        if (X86Base.IsSupported)
            X86Base.Pause();
        else
            Thread.SpinWait(1);
    }

    // Each on cache lines of its own: pairs of lines, since processors fetch neighbours together.
    [StructLayout(LayoutKind.Explicit, Size = 640)]
    private struct Shared
    {
        /// <summary>Generation in the upper half; in the lower one, whether the run is closed, and how many workers have begun it.</summary>
        [FieldOffset(128)]
        public long Entrance;

        [FieldOffset(256)]
        public int Finished;

        [FieldOffset(384)]
        public int Next;

        [FieldOffset(512)]
        public int CallerSleeps;
    }

    private sealed class Worker : IDisposable
    {
        private readonly WorkerTeam _team;
        private readonly int _number;
        private readonly Thread _thread;
        private readonly AutoResetEvent _wake = new(false);
        private int _asleep;

        public Worker(WorkerTeam team, int number)
        {
            _team = team;
            _number = number;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"KvChat worker {number}" };
        }

        public void Start() => _thread.Start();

        public void Dispose()
        {
            _thread.Join();
            _wake.Dispose();
        }

        public void WakeIfAsleep()
        {
            if (Interlocked.Exchange(ref _asleep, 0) != 0)
                _wake.Set();
        }

        private void Loop()
        {
            int seen = 0;
            while (true)
            {
                seen = AwaitGenerationAfter(seen);
                if (_team._stopping)
                    return;
                if (!_team.TryEnter(seen))
                    continue;
                _team.Execute(_number);
                _team.Finish();
            }
        }

        private int AwaitGenerationAfter(int seen)
        {
            for (int i = 0; i < SpinRounds; i++)
            {
                if (_team.Generation != seen)
                    return _team.Generation;
                Pause();
            }

            while (true)
            {
                // The exchange is a full fence: either this sees the new generation, or the caller sees the flag and wakes.
                Interlocked.Exchange(ref _asleep, 1);
                if (_team.Generation != seen)
                {
                    // If the caller has taken the flag, its signal is on the way and must not be left for the next sleep.
                    if (Interlocked.Exchange(ref _asleep, 0) == 0)
                        _wake.WaitOne();
                    return _team.Generation;
                }

                _wake.WaitOne();
            }
        }
    }
}
