using KvChat.Models;
using Microsoft.Extensions.Logging;

namespace KvChat.Loading;

/// <summary>
/// Knows how far the loading is and tells those who listen; every tenth part goes to the log. Reports come from the one thread that loads, listeners from any.
/// </summary>
internal sealed class LoadingReporter(string model, ILogger logger) : IProgress<double>, IProgress<ModelDownloadProgress>
{
    private readonly Lock _gate = new();
    private readonly List<IProgress<ModelLoadingProgress>> _listeners = [];
    private ModelLoadingProgress _current = new() { Model = model, Stage = ModelLoadingStage.NotStarted };
    private int _tenths;

    public ModelLoadingProgress Current => Volatile.Read(ref _current);

    /// <summary>Adds a listener; it hears at once how far things are.</summary>
    public void Add(IProgress<ModelLoadingProgress> listener)
    {
        lock (_gate)
            _listeners.Add(listener);
        Tell(listener, Current);
    }

    public void Remove(IProgress<ModelLoadingProgress> listener)
    {
        lock (_gate)
            _listeners.Remove(listener);
    }

    public void Enter(ModelLoadingStage stage, Exception? error = null)
    {
        _tenths = 0;
        Tell(new ModelLoadingProgress { Model = model, Stage = stage, Fraction = stage == ModelLoadingStage.Ready ? 1 : 0, Error = error });
    }

    /// <summary>The weights are read so far.</summary>
    public void Report(double value)
    {
        Tell(new ModelLoadingProgress { Model = model, Stage = ModelLoadingStage.Reading, Fraction = value });
        if (IsNextTenth(value))
            Log.LoadingProgress(logger, model, _tenths * 10);
    }

    /// <summary>The files are here so far.</summary>
    public void Report(ModelDownloadProgress value)
    {
        double fraction = value.TotalBytes > 0 ? (double)value.Bytes / value.TotalBytes : 0;
        bool isFirst = Current.Stage != ModelLoadingStage.Downloading;
        Tell(new ModelLoadingProgress { Model = model, Stage = ModelLoadingStage.Downloading, Fraction = fraction, Download = value });
        if (IsNextTenth(fraction) || isFirst)
            Log.DownloadProgress(logger, value.File, _tenths * 10, value.TotalBytes);
    }

    private bool IsNextTenth(double fraction)
    {
        int tenths = (int)(fraction * 10);
        if (tenths <= _tenths)
            return false;
        _tenths = tenths;
        return true;
    }

    private void Tell(ModelLoadingProgress progress)
    {
        Volatile.Write(ref _current, progress);
        IProgress<ModelLoadingProgress>[] listeners;
        lock (_gate)
            listeners = [.. _listeners];
        foreach (IProgress<ModelLoadingProgress> listener in listeners)
            Tell(listener, progress);
    }

    private void Tell(IProgress<ModelLoadingProgress> listener, ModelLoadingProgress progress)
    {
        try
        {
            listener.Report(progress);
        }
        catch (Exception error)
        {
            // Whoever shows progress must not be able to break the loading.
            Remove(listener);
            Log.ListenerFailed(logger, error);
        }
    }
}
