using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Models;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Text;

namespace KvChat;

/// <summary>Settings of a <see cref="KvCompressChatClient"/>. They are checked when the client is made, or at the start of the host.</summary>
public sealed class KvCompressChatOptions
{
    /// <summary>The value of <see cref="Model"/> that stands for the small model which travels with this library.</summary>
    public const string EmbeddedModel = "embedded";

    /// <summary>
    /// Path of a GGUF file (of a split one, any part) or of a folder that holds one model, as GGUF or in the Hugging Face layout; <c>hf:owner/name[@revision][:file or quantisation]</c>, which is fetched from
    /// the hub unless its cache has it; <c>ollama:name[:tag]</c> from Ollama's local store; or <see cref="EmbeddedModel"/>. See <see cref="ModelLocator"/>.
    /// </summary>
    public string Model { get; set; } = EmbeddedModel;

    /// <summary>The name under which the client reports the model and accepts it in <c>ChatOptions.ModelId</c>; null for the name that <see cref="Model"/> gives it, of a file without its ending.</summary>
    public string? ModelId { get; set; }

    /// <summary>
    /// Bytes of the KV cache, one budget for all sessions together: as many run at once as fit. Null takes what four sessions of full context need, at most a
    /// quarter of the memory.
    /// </summary>
    public long? CacheBytes { get; set; }

    /// <summary>How requests are compressed that do not say it themselves; null for <see cref="DefaultCompression"/>.</summary>
    public KvCompression? Compression { get; set; }

    /// <summary>Requests that may wait; one more is refused with a <see cref="Runtime.Scheduling.KvQueueFullException"/>.</summary>
    public int MaxQueuedRequests { get; set; } = 256;

    /// <summary>Sequences that may run at once.</summary>
    public int MaxSequences { get; set; } = 256;

    /// <summary>Longest sequence in tokens; null for the model's context length.</summary>
    public int? ContextTokens { get; set; }

    /// <summary>KVs of a page in F16: 16 or 32.</summary>
    public int PageTokens { get; set; } = 16;

    /// <summary>Most tokens that one step of the engine takes in, prompts and answers together.</summary>
    public int StepTokens { get; set; } = 512;

    /// <summary>Whether finished sequences are held until their pages are needed, so that the next turn of a conversation reads only what is new.</summary>
    public bool HoldFinishedSequences { get; set; } = true;

    /// <summary>Worker threads; 0 for one per processor that the process may use.</summary>
    public int Threads { get; set; }

    /// <summary>
    /// Whether a host starts without waiting for its model, which is then loaded in the background; health checks say when it is there, and requests wait for it. Otherwise the host is not up before the model is.
    /// </summary>
    public bool LoadInBackground { get; set; }

    /// <summary>Where to compute: on a CUDA device where one can be used, or on the processor; or on the one that is named. TorchSharp needs the package KvChat.Runtime.TorchSharp.</summary>
    public BackendKind Backend { get; set; }

    /// <summary>Number of the CUDA device, 0 for the first.</summary>
    public int CudaDevice { get; set; }

    /// <summary>
    /// Who multiplies prompts with weights of F16 and BF16 on a CUDA device: own kernels, with which a request has the same bits whatever runs beside it, or cuBLAS, which has not and rounds as PyTorch does.
    /// </summary>
    public CudaProductSource CudaProducts { get; set; }

    /// <summary>
    /// Makes the back end that computes, from <see cref="Threads"/>, once for each loading, instead of the one that <see cref="Backend"/> names; the client disposes it. From code alone:
    /// <c>BackendFactory = threads => TorchBackend.Create(new TorchBackendOptions { Threads = threads })</c>.
    /// </summary>
    public Func<int, IComputeBackend>? BackendFactory { get; set; }

    /// <summary>How activations enter quantised matrix products of the CPU's own kernels; other back ends have their own way.</summary>
    public ActivationPrecision Activations { get; set; }

    /// <summary>
    /// Makes the tokeniser that is used from the model's own, whose ids both must share; null for the model's own. Called once for each loading. From code alone, as those of Microsoft.ML.Tokenizers come with a
    /// package of their own: <c>TokenizerFactory = own => new EngineTokenizer(theirs, own)</c>.
    /// </summary>
    public Func<Tokenizer, Tokenizer>? TokenizerFactory { get; set; }

    /// <summary>A chat template (Jinja) instead of the file's own; null for the file's.</summary>
    public string? ChatTemplate { get; set; }

    internal KvCompressChatOptions Copy() => (KvCompressChatOptions)MemberwiseClone();
}
