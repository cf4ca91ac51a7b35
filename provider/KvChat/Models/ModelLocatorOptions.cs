namespace KvChat.Models;

/// <summary>Where models are looked for. What is null comes from the environment, read when a model is located.</summary>
public sealed class ModelLocatorOptions
{
    /// <summary>Address of the hub; null for <c>HF_ENDPOINT</c>, else <c>https://huggingface.co</c>.</summary>
    public string? HubEndpoint { get; set; }

    /// <summary>
    /// The hub's cache folder, shared with its other clients; null for <c>HF_HUB_CACHE</c>, else <c>HF_HOME/hub</c>, else <c>huggingface/hub</c> below
    /// <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>.
    /// </summary>
    public string? HubCache { get; set; }

    /// <summary>Access token of the hub; null for <c>HF_TOKEN</c>. It goes to the hub alone, never to a server that the hub redirects to.</summary>
    public string? HubToken { get; set; }

    /// <summary>Whether only the cache may be used; null for <c>HF_HUB_OFFLINE</c>.</summary>
    public bool? HubOffline { get; set; }

    /// <summary>Ollama's folder of models; null for <c>OLLAMA_MODELS</c>, else <c>~/.ollama/models</c> and, on Linux, the folder of Ollama's system service.</summary>
    public string? OllamaModels { get; set; }

    /// <summary>Reads a variable of the environment.</summary>
    internal Func<string, string?> Environment { get; set; } = System.Environment.GetEnvironmentVariable;

    /// <summary>Waits between two attempts.</summary>
    internal Func<TimeSpan, CancellationToken, Task> Delay { get; set; } = Task.Delay;

    /// <summary>Ends connections that stand still, and reads dates in Retry-After.</summary>
    internal TimeProvider Clock { get; set; } = TimeProvider.System;

    /// <summary>Bytes that are free where a folder is; null where that is not known.</summary>
    internal Func<string, long?> FreeBytes { get; set; } = Hub.DiskSpace.FreeBytes;

    /// <summary>Makes a symbolic link: its path, and what it points to.</summary>
    internal Action<string, string> MakeLink { get; set; } = static (path, target) => File.CreateSymbolicLink(path, target);

    internal ModelLocatorOptions Copy() => (ModelLocatorOptions)MemberwiseClone();
}
