using KvChat;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;

namespace LongDocument;

/// <summary>What the command line said.</summary>
internal sealed record Settings
{
    public required string Model { get; init; }

    public string? Questions { get; init; }

    public string? Document { get; init; }

    public string? Ask { get; init; }

    public bool Chat { get; init; }

    /// <summary>KV budget; null for what two of the longest documents take.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>How many times smaller the cache shall be, each in turn; null for what suits the task.</summary>
    public IReadOnlyList<int>? Compression { get; init; }

    public int Sessions { get; init; }

    public int Threads { get; init; }

    public BackendKind Backend { get; init; }

    public int CudaDevice { get; init; }

    public CudaProductSource CudaProducts { get; init; }

    public required string Picture { get; init; }

    /// <summary>The model that travels with the library was trained on one wording of answers; others are judged by the value that they name.</summary>
    public bool IsEmbedded => Model == KvCompressChatOptions.EmbeddedModel;

    /// <summary>
    /// Compressed while the prompt is read, with the question in sight: so a prompt never takes more than its share and one chunk, and the next
    /// session can start.
    /// </summary>
    public static KvCompression Times(int times) => times <= 1
        ? KvCompression.Off
        : new KvCompression { RetainedRatio = 1.0 / times, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 256 };

    public static string Name(int times) => times <= 1 ? "off" : $"{times}x";

    /// <summary>A client with the given budget.</summary>
    public Task<KvCompressChatClient> LoadAsync(long? cacheBytes, CancellationToken cancellationToken) => KvCompressChatClient.LoadAsync(
        new KvCompressChatOptions { Model = Model, CacheBytes = cacheBytes, Threads = Threads, Backend = Backend, CudaDevice = CudaDevice, CudaProducts = CudaProducts, MaxQueuedRequests = 256 }, null, cancellationToken);

    /// <summary>Bytes that a token's keys and values take without compression, in all layers and heads.</summary>
    public static long BytesPerToken(LoadedModel model)
    {
        TransformerConfiguration shape = model.Configuration;
        return (long)shape.TotalKvHeads * ((2 * shape.HeadDim * sizeof(ushort)) + sizeof(int) + sizeof(float));
    }
}
