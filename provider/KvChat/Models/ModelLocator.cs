using KvChat.Models.Hub;
using KvChat.Models.Ollama;

namespace KvChat.Models;

/// <summary>
/// Finds the files of a model by its name, and fetches them from the hub where the name asks for it and they are not there yet. Safe for concurrent use,
/// also by several processes over the same folders.
/// </summary>
/// <param name="options">Where to look; they are not looked at again. Null for what the environment says.</param>
public sealed class ModelLocator(ModelLocatorOptions? options = null)
{
    private readonly ModelLocatorOptions _options = options?.Copy() ?? new ModelLocatorOptions();

    /// <summary>Finds a model.</summary>
    /// <param name="model">
    /// The path of a GGUF file (of a split one, any part) or of a folder that holds one model, as GGUF or in the Hugging Face layout; <c>embedded</c>; <c>ollama:name[:tag]</c> for a model that Ollama has
    /// pulled; <c>hf:owner/name[@revision][:file or quantisation]</c> for one of the hub, <c>:safetensors</c> where it holds GGUF files too, also <c>owner/name:file or quantisation</c> where no such path exists.
    /// </param>
    /// <param name="progress">Told how far a download is, on the thread that downloads; not told anything where all is there.</param>
    /// <param name="cancellationToken">Ends a download; the next one goes on where it stood.</param>
    /// <exception cref="ArgumentException">The name has none of these forms.</exception>
    /// <exception cref="ModelNotFoundException">There is no such model, or the name fits several; what there is is listed.</exception>
    /// <exception cref="ModelDownloadException">The hub refused, could not be reached, or sent what is not right; or there is no room on the disk.</exception>
    public Task<LocatedModel> LocateAsync(string model, IProgress<ModelDownloadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ModelReference reference;
        try
        {
            reference = ModelReference.Parse(model);
        }
        catch (FormatException error)
        {
            throw new ArgumentException($"The model is \"{ModelDownloadException.Printable(model)}\"; it {error.Message}.", nameof(model), error);
        }

        return reference switch
        {
            HubReference hub => new HubModels(HubSettings.From(_options), hub).LocateAsync(progress, cancellationToken),
            OllamaReference ollama => Task.FromResult(new OllamaStore(_options).Locate(ollama)),
            _ => Task.FromResult(LocalModels.Locate((FileReference)reference)),
        };
    }
}
