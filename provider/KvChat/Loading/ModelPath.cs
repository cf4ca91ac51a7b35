namespace KvChat.Loading;

/// <summary>Where the file of a model is.</summary>
internal static class ModelPath
{
    /// <summary>Full path of what <see cref="KvCompressChatOptions.Model"/> names.</summary>
    public static string Of(string model) => string.Equals(model, KvCompressChatOptions.EmbeddedModel, StringComparison.OrdinalIgnoreCase)
        ? Path.Combine(AppContext.BaseDirectory, "models", "kvchat-tiny-q8_0.gguf")
        : Path.GetFullPath(model);
}
