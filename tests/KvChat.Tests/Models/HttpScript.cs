using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace KvChat.Tests.Models;

/// <summary>A request as it came.</summary>
internal sealed record ScriptRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string Path => Target.Split('?')[0];

    /// <summary>First byte of a Range header; 0 without one.</summary>
    public int From => Headers.TryGetValue("range", out string? range) ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : 0;

    public string Host => Headers["host"].Split(':')[0];
}

/// <summary>An answer, which may lie.</summary>
internal sealed record ScriptReply(int Status, byte[] Body, params (string Name, string Value)[] Headers)
{
    /// <summary>What Content-Length says; null leaves the header out, and the end of the connection ends the body.</summary>
    public long? Length { get; init; } = Body.Length;

    /// <summary>Bytes of the body after which the connection breaks off.</summary>
    public int? BreakAfter { get; init; }

    /// <summary>Awaited after <see cref="BreakAfter"/> bytes, before the connection breaks off.</summary>
    public Task? Hold { get; init; }

    /// <summary>Awaited before anything is answered.</summary>
    public Task? Until { get; init; }

    public static ScriptReply Text(int status, string text, params (string, string)[] headers) => new(status, Encoding.UTF8.GetBytes(text), headers);
}

/// <summary>An HTTP server on the loopback address, small enough to misbehave in every way: it writes what the script says, byte by byte.</summary>
internal sealed class HttpScript : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<ScriptRequest> _requests = new();
    private readonly Func<ScriptRequest, ScriptReply> _reply;
    private readonly Task _loop;

    public HttpScript(Func<ScriptRequest, ScriptReply> reply)
    {
        _reply = reply;
        _listener.Start();
        _loop = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public IReadOnlyList<ScriptRequest> Requests => [.. _requests];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync(); // may be called twice: a test may stop the server before its end
        _listener.Stop();
        await _loop;
    }

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true)
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                if (await reader.ReadLineAsync(_stop.Token) is not { } first)
                    return;
                Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
                while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                    headers[line.Split(':')[0]] = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
                var request = new ScriptRequest(first.Split(' ')[0], first.Split(' ')[1], headers);
                _requests.Enqueue(request);
                await WriteAsync(client, stream, request, _reply(request));
            }
            catch (Exception error) when (error is IOException or OperationCanceledException or SocketException)
            {
                // The client has gone, or the test has ended.
            }
        }
    }

    private async Task WriteAsync(TcpClient client, NetworkStream stream, ScriptRequest request, ScriptReply reply)
    {
        if (reply.Until is { } until)
            await until.WaitAsync(_stop.Token);
        StringBuilder head = new();
        head.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {reply.Status} Scripted\r\nConnection: close\r\n");
        if (reply.Length is { } length)
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {length}\r\n");
        foreach ((string name, string value) in reply.Headers)
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
        if (request.Method != "HEAD")
            await stream.WriteAsync(reply.Body.AsMemory(0, reply.BreakAfter ?? reply.Body.Length), _stop.Token);
        await stream.FlushAsync(_stop.Token);
        if (reply.Hold is { } hold)
            await hold.WaitAsync(_stop.Token);
        if (reply.BreakAfter is null)
            client.Client.Shutdown(SocketShutdown.Send);
    }
}
