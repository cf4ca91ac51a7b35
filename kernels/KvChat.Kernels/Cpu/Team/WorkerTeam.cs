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

    private readonly Worker[] _workers;
    private readonly AutoResetEvent _done = new(false);
    private readonly NativeBuffer _memory = new(sizeof(Shared));
    private readonly Shared* _shared;
    private delegate*<void*, int, void> _work;
    private void* _state;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stopping;
    private bool _disposed;

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

    /// <summary>Workers, the caller included.</summary>
    public int Count { get; }

    /// <summary>The counter behind <see cref="TakeChunk()"/>, for work that knows the team by pointers only.</summary>
    public int* ChunkCounter => &_shared->Next;

    /// <summary>Calls <paramref name="work"/> with <paramref name="state"/> and the worker's number on every worker.</summary>
    /// <exception cref="ObjectDisposedException">The team has been disposed of.</exception>
    /// <remarks>The first exception of any worker is thrown here, after all have finished.</remarks>
    public void Run(delegate*<void*, int, void> work, void* state)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _shared->Next = 0;
        if (_workers.Length == 0)
        {
            work(state, 0);
            return;
        }

        _work = work;
        _state = state;
        _shared->Remaining = _workers.Length;
        Interlocked.Increment(ref _shared->Generation);
        foreach (Worker worker in _workers)
        {
            worker.WakeIfAsleep();
        }

        Execute(0);
        AwaitOthers();
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
        Interlocked.Increment(ref _shared->Generation);
        foreach (Worker worker in _workers)
        {
            worker.WakeIfAsleep();
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

    private void AwaitOthers()
    {
        for (int i = 0; i < SpinRounds; i++)
        {
            if (Volatile.Read(ref _shared->Remaining) == 0)
                return;
            Pause();
        }

        // Whoever comes second, the last worker at zero or this caller at its flag, sees the other: see Finished.
        Interlocked.Exchange(ref _shared->CallerSleeps, 1);
        while (Volatile.Read(ref _shared->Remaining) != 0)
        {
            _done.WaitOne();
        }

        Interlocked.Exchange(ref _shared->CallerSleeps, 0);
    }

    private void Finished()
    {
        if (Interlocked.Decrement(ref _shared->Remaining) == 0 && Volatile.Read(ref _shared->CallerSleeps) != 0)
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
        [FieldOffset(128)]
        public int Generation;

        [FieldOffset(256)]
        public int Remaining;

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
                AwaitGeneration(seen);
                seen++;
                if (_team._stopping)
                    return;
                _team.Execute(_number);
                _team.Finished();
            }
        }

        private void AwaitGeneration(int seen)
        {
            for (int i = 0; i < SpinRounds; i++)
            {
                if (Volatile.Read(ref _team._shared->Generation) != seen)
                    return;
                Pause();
            }

            while (true)
            {
                // The exchange is a full fence: either this sees the new generation, or the caller sees the flag and wakes.
                Interlocked.Exchange(ref _asleep, 1);
                if (Volatile.Read(ref _team._shared->Generation) != seen)
                {
                    // If the caller has taken the flag, its signal is on the way and must not be left for the next sleep.
                    if (Interlocked.Exchange(ref _asleep, 0) == 0)
                        _wake.WaitOne();
                    return;
                }

                _wake.WaitOne();
            }
        }
    }
}
