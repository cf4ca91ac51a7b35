using KvChat;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.TorchSharp;
using Microsoft.Extensions.AI;

namespace TorchSharpChat;

/// <summary>One question, on both back ends.</summary>
internal sealed class Comparison(string model, FileInfo? document, string? question, double retained, int threads)
{
    public async Task<int> RunAsync(TextWriter output, CancellationToken cancellationToken)
    {
        string asked = $"{Text()}\n\n{question ?? "What is the gate code of the Dushus mill?"}";
        foreach (Func<int, IComputeBackend>? backend in (Func<int, IComputeBackend>?[])[TorchBackend.Create, null])
        {
            using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(
                new KvCompressChatOptions { Model = model, BackendFactory = backend, Threads = threads, HoldFinishedSequences = false }, cancellationToken: cancellationToken);
            await output.WriteLineAsync(client.GetService<KvChat.Runtime.Models.LoadedModel>()!.Transformer.Backend.Name);
            var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 64 };
            if (retained < 1)
                options.WithKvCompression(new KvCompression { RetainedRatio = retained });
            await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 4 }, cancellationToken); // the first call is compiled, not measured
            ChatResponse response = await client.GetResponseAsync(asked, options, cancellationToken);
            var made = (GenerationResult)response.RawRepresentation!;
            TimeSpan decoding = made.Elapsed - made.TimeToFirstToken;
            await output.WriteLineAsync($"  {response.Text}");
            await output.WriteLineAsync($"  {made.PromptTokens} prompt tokens at {made.PromptTokens / made.TimeToFirstToken.TotalSeconds:0}/s, "
                + $"{made.OutputTokens} answer tokens at {(made.OutputTokens - 1) / decoding.TotalSeconds:0.0}/s, {(double)made.Kvs.Kept / made.Kvs.Seen:P0} of the KVs kept");
        }

        return 0;
    }

    private string Text()
    {
        if (document is not null)
            return File.ReadAllText(document.FullName);
        List<string> sentences = [.. Enumerable.Range(1, 60).Select(i => $"The serial number of the Quabran{(char)('a' + (i % 26))} pump is {100 + (i * 37)}-QR.")];
        sentences.Insert(20, "The gate code of the Dushus mill is 1202-1238.");
        return string.Join(' ', sentences);
    }
}
