using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <content>Time on the device.</content>
internal sealed unsafe partial class CudaQueue
{
    private CudaEvent? _begin;
    private long _pauseBytes;
    private nint _pause;

    /// <summary>Milliseconds from the first command of some work to the end of its last one, as the device sees it.</summary>
    /// <param name="work">Gives commands to this queue and waits for nothing.</param>
    /// <param name="pause">Device memory that is cleared right before the first command, so that the device is busy while the host hands over what is timed.</param>
    /// <param name="pauseBytes">How much of it.</param>
    /// <remarks>What the host needs for giving the commands counts only where they go to the device one by one; a period that is launched as a graph is handed over as a whole.</remarks>
    public float Time(Action work, nint pause, long pauseBytes)
    {
        Synchronize();
        using CudaEvent begin = new(_context, timed: true), end = new(_context, timed: true);
        (_begin, _pause, _pauseBytes) = (begin, pause, pauseBytes);
        try
        {
            if (!_notes)
                Begin();
            work();
            EndPeriod();
            end.Record(_stream);
            Check(_stream.Synchronize(), "cuStreamSynchronize");
            return end.MillisecondsSince(begin);
        }
        finally
        {
            _begin = null;
        }
    }

    // Commands go to the device from here on.
    private void Begin()
    {
        if (_begin is not { } begin)
            return;
        _begin = null;
        if (_pauseBytes > 0)
            ClearNow(_pause, _pauseBytes);
        begin.Record(_stream);
    }
}
