using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;

namespace KvChat.Models.Hub;

/// <summary>
/// Requests to the hub. Redirections are followed here rather than by the handler: what the hub says about a file stands in the redirection, and the token
/// goes to the hub alone.
/// </summary>
internal sealed class HubTransport : IDisposable
{
    private const int MostRedirections = 10;

    private readonly HubSettings _settings;
    private readonly HubReference _reference;
    private readonly HttpClient _http;

    public HubTransport(HubSettings settings, HubReference reference)
    {
        _settings = settings;
        _reference = reference;
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, AutomaticDecompression = DecompressionMethods.None, ConnectTimeout = TimeSpan.FromSeconds(30) };
        _http = new HttpClient(handler, disposeHandler: true) { Timeout = Timeout.InfiniteTimeSpan }; // a download may take hours; StallGuard ends what stands still
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("KvChat", typeof(HubTransport).Assembly.GetName().Version?.ToString(3) ?? "0"));
    }

    /// <summary>Where the hub tells what a repository holds.</summary>
    public Uri ListAddress => new($"{Root}/api/models/{_reference.Id}/revision/{Uri.EscapeDataString(_reference.Revision)}?blobs=true");

    /// <summary>Where a repository is shown to people.</summary>
    public Uri PageAddress => new($"{Root}/{_reference.Id}");

    private string Root => _settings.Endpoint.AbsoluteUri.TrimEnd('/');

    /// <summary>Where a file comes from.</summary>
    public Uri FileAddress(string commit, string path) =>
        new($"{Root}/{_reference.Id}/resolve/{commit}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}");

    /// <summary>Sends a request, with what it may throw turned into errors of ours.</summary>
    /// <param name="request">Its method, address, and the byte to begin at.</param>
    /// <param name="read">Reads the answer, of which only the headers have come.</param>
    /// <param name="missing">What it means that the server does not know the address, as a sentence.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="TransientDownloadException">Another attempt may succeed.</exception>
    /// <exception cref="ModelDownloadException">None will.</exception>
    public async Task<T> AskAsync<T>(
        (HttpMethod Method, Uri Address, long From) request, Func<HubAnswer, StallGuard, Task<T>> read, string missing, CancellationToken cancellationToken)
    {
        Uri shown = WithoutQuery(request.Address);
        using var guard = new StallGuard(_settings.Options.Clock, cancellationToken);
        try
        {
            using HubAnswer answer = await FollowAsync(request, missing, guard).ConfigureAwait(false);
            return await read(answer, guard).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException error)
        {
            throw Outage(shown, null, $"sent nothing for {StallGuard.Limit.TotalSeconds.ToString(CultureInfo.InvariantCulture)} seconds", error);
        }
        catch (HttpRequestException error) when (error.InnerException is AuthenticationException)
        {
            throw new ModelDownloadException(shown, null, $"cannot be trusted: {error.InnerException.Message}", "Check the machine's certificates and HF_ENDPOINT.", error);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            throw Outage(shown, null, $"cannot be read: {error.Message}", error);
        }
    }

    public void Dispose() => _http.Dispose();

    private static TransientDownloadException Outage(Uri url, HttpStatusCode? status, string problem, Exception? error, TimeSpan? retryAfter = null) => new(
        new ModelDownloadException(
            url, status, problem,
            status == HttpStatusCode.TooManyRequests
                ? "Wait for some minutes, or set HF_TOKEN: who is known may ask more often."
                : "Check the connection (HF_ENDPOINT names a mirror), or try again later: what has come is kept.",
            error)
        {
            IsOutage = true,
        },
        retryAfter);

    private static Uri WithoutQuery(Uri address) => new(address.GetLeftPart(UriPartial.Path));

    private static bool IsRedirection(HttpStatusCode status) => status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
        or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;

    private bool IsHub(Uri address) => address.Scheme == _settings.Endpoint.Scheme && address.Host == _settings.Endpoint.Host && address.Port == _settings.Endpoint.Port;

    private async Task<HubAnswer> FollowAsync((HttpMethod Method, Uri Address, long From) request, string missing, StallGuard guard)
    {
        string? hash = null;
        long? size = null;
        Uri address = request.Address;
        for (int hop = 0; ; hop++)
        {
            HttpResponseMessage response = await SendAsync(request.Method, address, request.From, guard.Token).ConfigureAwait(false);
            guard.Moved();
            try
            {
                if (IsHub(address))
                {
                    hash ??= HubFile.Normalized(Header(response, "X-Linked-Etag"));
                    size ??= long.TryParse(Header(response, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long said) ? said : null;
                }

                bool redirects = IsRedirection(response.StatusCode);
                if (response.IsSuccessStatusCode || (redirects && request.Method == HttpMethod.Head && hash is not null && size is not null)
                    || (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && request.From > 0))
                    return new HubAnswer(response, hash, size);
                address = redirects
                    ? Next(request.Address, address, response.Headers.Location, hop)
                    : throw Refusal(WithoutQuery(request.Address), response, missing, IsHub(address));
            }
            catch
            {
                response.Dispose();
                throw;
            }

            response.Dispose();
        }
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, long from, CancellationToken cancellationToken)
    {
        // The request is the response's to keep: it is disposed with it.
        var request = new HttpRequestMessage(method, address);
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity")); // sizes and ranges are those of the file
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        if (_settings.Token is { } token && IsHub(address))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private static Uri Next(Uri asked, Uri current, Uri? location, int hop)
    {
        if (location is null || !Uri.TryCreate(current, location, out Uri? next) || (next.Scheme != Uri.UriSchemeHttps && next.Scheme != Uri.UriSchemeHttp))
            throw new ModelDownloadException(WithoutQuery(asked), null, "redirects to no address that can be asked", "");
        if (current.Scheme == Uri.UriSchemeHttps && next.Scheme != Uri.UriSchemeHttps)
            throw new ModelDownloadException(WithoutQuery(asked), null, $"redirects from https to {WithoutQuery(next)}, which anyone on the way could change", "");
        return hop < MostRedirections ? next : throw new ModelDownloadException(WithoutQuery(asked), null, $"redirects more than {MostRedirections} times", "Check HF_ENDPOINT.");
    }

    private Exception Refusal(Uri url, HttpResponseMessage response, string missing, bool byHub)
    {
        HttpStatusCode status = response.StatusCode;
        string said = Header(response, "X-Error-Message") is { } message ? $": {ModelDownloadException.Printable(message).TrimEnd('.')}" : "";
        string problem = $"answered {(int)status}{said}";
        bool passes = status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.InternalServerError or HttpStatusCode.BadGateway
            or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;
        if (passes || !byHub)
            // A store behind the hub that refuses has seen the address's signature run out: the hub gives a new one.
            return Outage(url, status, byHub ? problem : $"redirects to a store that {problem}", null, HubRetry.Wait(response.Headers.RetryAfter, _settings.Options.Clock));
        string hint = (int)status switch
        {
            401 when _settings.Token is null => $"{_reference.Id} does not exist, or is private, or gated: check the name, accept its terms at {PageAddress}, and set HF_TOKEN to a token that may read it.",
            401 => $"HF_TOKEN is not accepted, or {_reference.Id} does not exist: check the name and the token.",
            403 => $"The model is gated, or the token may not read it: accept its terms at {PageAddress}, and set HF_TOKEN to a token that may read it.",
            404 or 410 => missing,
            _ => "Check HF_ENDPOINT.",
        };
        return new ModelDownloadException(url, status, problem, hint);
    }
}
