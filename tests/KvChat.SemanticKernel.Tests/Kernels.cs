using System.Globalization;
using Microsoft.SemanticKernel;

namespace KvChat.SemanticKernel.Tests;

/// <summary>A kernel over the embedded model, shared by the tests that only ask it.</summary>
public sealed class SharedKernel : IDisposable
{
    private readonly Kernel _kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.CacheBytes = 32 << 20).Build();

    public const string Question = "What is the gate code of the Dushus mill?";

    public const string Answer = "The gate code of the Dushus mill is 1202-1238.";

    /// <summary>A kernel of its own plugins over the same services.</summary>
    public Kernel Kernel => _kernel.Clone();

    /// <summary>A document in the embedded model's language, with the fact that <see cref="Question"/> asks for.</summary>
    public static string Document(int facts)
    {
        List<string> sentences = [.. Enumerable.Range(1, facts).Select(i => string.Create(CultureInfo.InvariantCulture, $"The serial number of the Quabran{(char)('a' + (i % 26))} pump is {100 + (i * 37)}-QR."))];
        sentences.Insert(facts / 2, Answer);
        return string.Join(' ', sentences);
    }

    public void Dispose() => (_kernel.Services as IDisposable)?.Dispose();
}

[CollectionDefinition(Name)]
public sealed class SharedKernelTests : ICollectionFixture<SharedKernel>
{
    public const string Name = "shared kernel";
}
