using KvChat.Models;

namespace LongDocument;

/// <summary>Shows how far a download is; what came is in the cache when the client loads it.</summary>
internal sealed class DownloadLine : IProgress<ModelDownloadProgress>
{
    private int _percent = -1;

    public static Task FetchAsync(string model, CancellationToken cancellationToken) =>
        new ModelLocator().LocateAsync(model, new DownloadLine(), cancellationToken);

    public void Report(ModelDownloadProgress value)
    {
        int percent = (int)(100.0 * value.Bytes / value.TotalBytes);
        if (percent == _percent)
            return;
        _percent = percent;
        Console.Error.Write($"\r{value.File}: {percent} % of {value.TotalBytes / 1e6:0} MB{(value.Bytes == value.TotalBytes ? Environment.NewLine : "")}");
    }
}
