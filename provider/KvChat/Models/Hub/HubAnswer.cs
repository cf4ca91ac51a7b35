using System.Net;

namespace KvChat.Models.Hub;

/// <summary>The last answer of a chain of redirections, and what the hub itself said on the way about the file behind it.</summary>
/// <param name="Response">The answer; a success, or a redirection where only what the hub says was asked for.</param>
/// <param name="LinkedHash">Hash of the file, if the hub gave one.</param>
/// <param name="LinkedSize">Size of the file, if the hub gave one.</param>
internal sealed record HubAnswer(HttpResponseMessage Response, string? LinkedHash, long? LinkedSize) : IDisposable
{
    public HttpStatusCode Status => Response.StatusCode;

    public void Dispose() => Response.Dispose();
}
