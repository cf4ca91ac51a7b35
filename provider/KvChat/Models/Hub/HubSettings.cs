namespace KvChat.Models.Hub;

/// <summary>What <see cref="ModelLocatorOptions"/> and the environment say about the hub, checked.</summary>
internal sealed record HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>Address of the hub, without "/" at its end.</summary>
    public required Uri Endpoint { get; init; }

    public required string Cache { get; init; }

    public required string? Token { get; init; }

    public required bool Offline { get; init; }

    public required ModelLocatorOptions Options { get; init; }

    /// <exception cref="ArgumentException">A setting is not right; the message names it, and never shows the token.</exception>
    public static HubSettings From(ModelLocatorOptions options) => new()
    {
        Endpoint = ReadEndpoint(options.HubEndpoint ?? Variable(options, "HF_ENDPOINT") ?? DefaultEndpoint),
        Cache = ReadCache(options),
        Token = ReadToken(options.HubToken ?? Variable(options, "HF_TOKEN")),
        Offline = options.HubOffline ?? Variable(options, "HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "TRUE" or "YES" or "ON",
        Options = options,
    };

    private static string? Variable(ModelLocatorOptions options, string name) => options.Environment(name)?.Trim() is { Length: > 0 } value ? value : null;

    private static Uri ReadEndpoint(string text)
    {
        bool isRight = Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out Uri? endpoint)
            && (endpoint.Scheme == Uri.UriSchemeHttps || endpoint.Scheme == Uri.UriSchemeHttp)
            && endpoint.UserInfo.Length == 0 && endpoint.Query.Length == 0 && endpoint.Fragment.Length == 0;
        return isRight
            ? endpoint!
            : throw new ArgumentException("HF_ENDPOINT (or ModelLocatorOptions.HubEndpoint) must be an address such as https://huggingface.co, without user, query or fragment.");
    }

    private static string ReadCache(ModelLocatorOptions options)
    {
        if (options.HubCache is { Length: > 0 } given)
            return UserFolders.Expand(given, options);
        if ((Variable(options, "HF_HUB_CACHE") ?? Variable(options, "HUGGINGFACE_HUB_CACHE")) is { } named)
            return UserFolders.Expand(named, options);
        string home = Variable(options, "HF_HOME")
            ?? Path.Combine(Variable(options, "XDG_CACHE_HOME") ?? Path.Combine(UserFolders.Home(options), ".cache"), "huggingface");
        return Path.Combine(UserFolders.Expand(home, options), "hub");
    }

    private static string? ReadToken(string? token)
    {
        string? trimmed = token?.Trim();
        if (string.IsNullOrEmpty(trimmed))
            return null;
        return trimmed.All(static c => c is > ' ' and < '\x7f')
            ? trimmed
            : throw new ArgumentException("HF_TOKEN (or ModelLocatorOptions.HubToken) must be one word of printable ASCII characters.");
    }
}
