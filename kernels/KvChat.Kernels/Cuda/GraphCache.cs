using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Lists of commands that came more than once, as graphs: a decode step is a few hundred launches whose shapes repeat, and one call then stands for all. What is uploaded is written anew into
/// the pinned memory that the graph copies from.
/// </summary>
internal sealed unsafe class GraphCache(CudaContext context, CudaStream stream) : IDisposable
{
    private const int Most = 8;

    private readonly List<Entry> _entries = [];

    /// <summary>Launches of graphs so far.</summary>
    public long Launches { get; private set; }

    /// <summary>Runs the list as a graph where a like one has been made.</summary>
    public bool TryRun(CommandList list)
    {
        for (int i = 0; i < _entries.Count; i++)
        {
            Entry entry = _entries[i];
            if (!entry.List.IsLike(list))
                continue;
            _entries.RemoveAt(i);
            _entries.Add(entry);
            Run(entry, list);
            return true;
        }

        return false;
    }

    /// <summary>Makes a graph of the list and runs it.</summary>
    /// <param name="list">The commands.</param>
    /// <param name="execute">Gives the commands to the stream, with uploads from the address that it is given.</param>
    public void Make(CommandList list, Action<CommandList, nint> execute)
    {
        PinnedBuffer? pinned = list.UploadBytes == 0 ? null : new PinnedBuffer(context, list.UploadBytes);
        CudaGraph? graph = null;
        CudaEvent? done = null;
        try
        {
            stream.BeginCapture();
            try
            {
                execute(list, pinned is null ? 0 : (nint)pinned.Data);
                graph = stream.EndCapture();
            }
            catch
            {
                stream.AbandonCapture();
                throw;
            }

            done = new CudaEvent(context);
        }
        catch
        {
            graph?.Dispose();
            pinned?.Dispose();
            throw;
        }

        if (_entries.Count == Most)
        {
            _entries[0].Dispose();
            _entries.RemoveAt(0);
        }

        Entry entry = new(list.Copy(), graph, pinned, done);
        _entries.Add(entry);
        Run(entry, list);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Entry entry in _entries)
            entry.Dispose();
        _entries.Clear();
    }

    private void Run(Entry entry, CommandList list)
    {
        if (entry.Pinned is { } pinned)
        {
            // The graph's last run may still be copying from there.
            context.Driver.Check(entry.Done.Synchronize(), "cuEventSynchronize");
            list.Uploads.CopyTo(new Span<byte>(pinned.Data, list.UploadBytes));
        }

        entry.Graph.Launch(stream);
        entry.Done.Record(stream);
        Launches++;
    }

    private sealed record Entry(CommandList List, CudaGraph Graph, PinnedBuffer? Pinned, CudaEvent Done) : IDisposable
    {
        public void Dispose()
        {
            _ = Done.Synchronize();
            Graph.Dispose();
            Pinned?.Dispose();
            Done.Dispose();
        }
    }
}
