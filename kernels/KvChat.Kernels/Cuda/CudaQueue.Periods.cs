using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <content>
/// The work between two moments at which the host waits is a period. Where two periods in a row were alike, the next one is expected to be so, too: its work is noted down, and given to the
/// device as a graph when the host next waits. Otherwise work starts at once.
/// </content>
internal sealed unsafe partial class CudaQueue
{
    // A graph of fewer commands saves nothing.
    private const int ShortestGraph = 8, LargestNotedUpload = 256 << 10;

    private readonly GraphCache _graphs;
    private readonly bool _usesGraphs;
    private CommandList _period = new(), _lastPeriod = new();
    private bool _notes;

    /// <summary>Launches of graphs so far.</summary>
    public long GraphLaunches => _graphs.Launches;

    // Whether a command with so many bytes is put into the period's list; where there is no room, the period ends first.
    private bool Notes(int bytes)
    {
        if (_usesGraphs && !_period.Fits(bytes))
            EndPeriod();
        return _usesGraphs;
    }

    // The host is about to wait, or the list is full.
    private void EndPeriod()
    {
        if (_period.Count < ShortestGraph)
        {
            // Something read in between: what is expected of the next period stays.
            if (_notes)
            {
                Begin();
                Execute(_period, 0);
            }

            _period.Clear();
            return;
        }

        bool repeats = _period.IsLike(_lastPeriod);
        if (_notes)
            RunNoted(repeats);
        (_period, _lastPeriod) = (_lastPeriod, _period);
        _period.Clear();
        _notes = repeats;
    }

    // Work that was only noted down must be on its way now.
    private void Flush()
    {
        if (_period.Count == 0)
            return;
        if (_notes)
            RunNoted(mayMake: false);
        _period.Clear();
        _lastPeriod.Clear();
        _notes = false;
    }

    private void RunNoted(bool mayMake)
    {
        Begin();
        if (_graphs.TryRun(_period))
            return;
        if (mayMake)
            _graphs.Make(_period, Execute);
        else
            Execute(_period, 0);
    }

    // Uploads come from pinned memory where it is given, and else through the ring.
    private void Execute(CommandList list, nint pinned)
    {
        foreach (ref readonly Command command in list.Commands)
        {
            switch (command.Kind)
            {
                case CommandKind.Launch:
                    LaunchNow(_kernels[command.Kernel], command.Grid, command.Threads, command.Shared, list.Arguments.Slice(command.Start, (int)command.Length));
                    break;
                case CommandKind.Product:
                    MultiplyNow(MemoryMarshal.Read<LibraryProduct>(list.Arguments.Slice(command.Start, (int)command.Length)));
                    break;
                case CommandKind.Upload when pinned == 0:
                    UploadNow(command.Target, list.Uploads.Slice(command.Start, (int)command.Length));
                    break;
                case CommandKind.Upload:
                    Check(_context.Driver.Functions.MemcpyHtoDAsync(command.Target, (byte*)pinned + command.Start, (nuint)command.Length, _stream.Handle), "cuMemcpyHtoDAsync");
                    break;
                case CommandKind.Copy:
                    CopyNow(command.Source, command.Target, command.Length);
                    break;
                default:
                    ClearNow(command.Target, command.Length);
                    break;
            }
        }
    }

    private void UploadNow(nint target, ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            int count = Math.Min(source.Length, PinnedRing.BlockBytes);
            byte* staged = _ring.Take(count, out int waited);
            Check(waited, "cuEventSynchronize");
            source[..count].CopyTo(new Span<byte>(staged, count));
            Check(_context.Driver.Functions.MemcpyHtoDAsync(target, staged, (nuint)count, _stream.Handle), "cuMemcpyHtoDAsync");
            source = source[count..];
            target += count;
        }
    }

    private void CopyNow(nint source, nint target, long bytes) =>
        Check(_context.Driver.Functions.MemcpyDtoDAsync(target, source, (nuint)bytes, _stream.Handle), "cuMemcpyDtoDAsync");

    private void ClearNow(nint target, long bytes) =>
        Check(_context.Driver.Functions.MemsetD8Async(target, 0, (nuint)bytes, _stream.Handle), "cuMemsetD8Async");

    private void LaunchNow(CudaKernel kernel, CudaGrid grid, int threads, int sharedBytes, ReadOnlySpan<byte> arguments)
    {
        _log.Add(kernel.Name, grid, threads, sharedBytes);
        Check(kernel.Launch(_stream, grid, threads, sharedBytes, arguments), "cuLaunchKernel");
        if (_waits)
            Check(_stream.Synchronize(), "cuStreamSynchronize");
    }
}
