using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;
using Tensor = TorchSharp.torch.Tensor;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>The chat client with a <c>BackendFactory</c> that makes a <see cref="TorchBackend"/>: it compresses, batches and gives back like the others.</summary>
public sealed class TorchClientTests
{
    private const string Answer = "The gate code of the Dushus mill is 1202-1238.";

    [Theory]
    [InlineData(0.25)]
    [InlineData(0.125)]
    public async Task Compression_keeps_the_same_KVs_and_answers_as_on_the_CPU_back_end(double ratio)
    {
        ChatOptions options = new ChatOptions { Temperature = 0 }.WithKvCompression(new KvCompression { RetainedRatio = ratio, Format = KvFormat.F32 });
        await AssertKeptAlike(OnProcessor, 40, options);
    }

    /// <summary>A back end keeps the KVs that the CPU's keeps, evicts some, and answers alike.</summary>
    /// <param name="other">Makes the back end.</param>
    /// <param name="facts">Sentences of the document, for <see cref="Ask"/>.</param>
    /// <param name="options">With compression.</param>
    internal static async Task AssertKeptAlike(Func<int, IComputeBackend> other, int facts, ChatOptions options)
    {
        List<(string Text, IReadOnlyList<int> Kept, long Evicted)> seen = [];
        foreach (Func<int, IComputeBackend>? backend in (Func<int, IComputeBackend>?[])[null, other])
        {
            using KvCompressChatClient client = KvCompressChatClient.Load(Options(backend));
            ChatResponse response = await client.GetResponseAsync(Ask(facts), options);
            KvUsage usage = response.GetKvUsage()!;
            seen.Add((response.Text, usage.KeptPerHead!, usage.Evicted));
            Assert.NotEmpty(usage.KeptPerHead!);
            Assert.True(usage.Evicted > 0);
        }

        Assert.Equal(seen[0].Text, seen[1].Text);
        Assert.Equal(seen[0].Kept, seen[1].Kept);
        Assert.Equal(seen[0].Evicted, seen[1].Evicted);
    }

    [Fact]
    public async Task A_hundred_requests_leave_no_tensor_and_no_page()
    {
        long before = Tensor.TotalCount;
        string answer = await AssertNothingStays(OnProcessor, 6, 100, maxTokens: null);
        Assert.Equal(Answer, answer);
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>Asks the same so often at once, and looks for tensors and pages that stay; gives the answer.</summary>
    internal static async Task<string> AssertNothingStays(Func<int, IComputeBackend> backend, int facts, int requests, int? maxTokens)
    {
        ChatOptions options = new() { Temperature = 0, MaxOutputTokens = maxTokens };
        using KvCompressChatClient client = KvCompressChatClient.Load(Options(backend));
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        string alone = (await client.GetResponseAsync(Ask(facts), options)).Text;
        long loaded = Tensor.TotalCount;
        string[] together = await Task.WhenAll(Enumerable.Range(0, requests).Select(async _ => (await client.GetResponseAsync(Ask(facts), options)).Text));
        Assert.All(together, text => Assert.Equal(alone, text));
        EngineStatistics after = engine.GetStatistics();
        while (after.Running > 0)
            after = engine.GetStatistics();
        Assert.Equal(after.TotalPages, after.FreePages);
        Assert.InRange(Tensor.TotalCount, 0, loaded + 2); // the scratch of the largest step may have come
        return alone;
    }

    private static TorchBackend OnProcessor(int threads) => new(threads);

    internal static KvCompressChatOptions Options(Func<int, IComputeBackend>? backend) => new()
    {
        BackendFactory = backend, CacheBytes = 32 << 20, HoldFinishedSequences = false, Activations = ActivationPrecision.Float32,
    };

    internal static List<ChatMessage> Ask(int facts)
    {
        List<string> sentences = [.. Enumerable.Range(1, facts).Select(i => $"The serial number of the Quabran{(char)('a' + (i % 26))} pump is {100 + (i * 37)}-QR.")];
        sentences.Insert(facts / 2, Answer);
        return [new(ChatRole.User, $"{string.Join(' ', sentences)}\n\nWhat is the gate code of the Dushus mill?")];
    }
}
