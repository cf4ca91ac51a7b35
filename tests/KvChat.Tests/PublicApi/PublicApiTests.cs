using System.Reflection;
using KvChat.Kernels;
using KvChat.Runtime.Scheduling;
using KvChat.TestSupport;

namespace KvChat.Tests.PublicApi;

/// <summary>
/// What others compile against changes only on purpose. To renew the baselines after such a change:
/// <c>KVCHAT_RENEW_API=1 dotnet test -c Release tests/KvChat.Tests --filter PublicApi</c>.
/// </summary>
public sealed class PublicApiTests
{
    private const string Renew = "KVCHAT_RENEW_API";

    public static TheoryData<string> Assemblies => ["KvChat", "KvChat.Runtime", "KvChat.Kernels"];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_public_surface_is_the_baseline(string name)
    {
        Assembly assembly = name switch
        {
            "KvChat" => typeof(KvCompressChatClient).Assembly,
            "KvChat.Runtime" => typeof(InferenceEngine).Assembly,
            _ => typeof(IComputeBackend).Assembly,
        };
        Assert.Equal(name, assembly.GetName().Name);
        string path = Path.Combine(SharedFiles.Repository, "tests", "KvChat.Tests", "PublicApi", $"{name}.txt");
        string[] now = [.. ApiText.Describe(assembly)];
        if (Environment.GetEnvironmentVariable(Renew) == "1")
            File.WriteAllText(path, string.Join('\n', now) + '\n');
        string[] baseline = File.ReadAllLines(path);
        string[] differences = [.. baseline.Except(now).Select(l => $"- {l}"), .. now.Except(baseline).Select(l => $"+ {l}")];
        Assert.True(
            differences.Length == 0,
            $"The public surface of {name} is not its baseline. If that is meant: {Renew}=1 dotnet test -c Release tests/KvChat.Tests --filter PublicApi\n{string.Join('\n', differences)}");
    }

    [Fact]
    public void A_change_shows_in_the_lines()
    {
        string[] lines = [.. ApiText.Describe(typeof(KvCompressChatClient).Assembly)];
        Assert.Contains("KvChat.KvCompressChatClient.ProviderName : const String = \"kvchat\"", lines);
        Assert.Contains(lines, l => l.StartsWith("sealed class KvChat.KvCompressChatClient : IAsyncDisposable, IDisposable, Microsoft.Extensions.AI.IChatClient", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, l => l.Contains("KvChat.Loading.ModelHost", StringComparison.Ordinal));
    }
}
