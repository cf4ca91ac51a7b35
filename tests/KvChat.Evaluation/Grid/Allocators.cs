using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>The allocator as a choice of its own beside the policy.</summary>
internal static class Allocators
{
    /// <summary>The word for the policy's own allocator.</summary>
    public const string Preset = "preset";

    /// <summary>What <c>--allocator</c> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = [Preset, "global", "uniform", "pyramid", "ada-kv"];

    /// <summary>The words that the runtime can do something with.</summary>
    public static IReadOnlyList<string> Offered { get; } = [.. Names.Where(IsOffered)];

    /// <summary>A word of <see cref="Names"/> as settings have it: null for the policy's own.</summary>
    public static string? Parse(string word) => word == Preset ? null : word;

    /// <summary>Name of the allocator that a setting comes to; none with the full cache.</summary>
    public static string NameOf(string policy, string? allocator) =>
        policy == CompressionPolicies.Off ? "none" : allocator ?? CompressionPolicies.Get(policy).CreateAllocator().Name;

    /// <summary>Settings with an allocator of their own.</summary>
    /// <exception cref="ArgumentException">The runtime has no such choice.</exception>
    public static KvCompression WithAllocator(this KvCompression settings, string? allocator) => allocator is null
        ? settings
        : throw new ArgumentException($"--allocator has '{allocator}'; this runtime takes the policy's own ('{Preset}') alone.", nameof(allocator));

    private static bool IsOffered(string name)
    {
        try
        {
            new KvCompression().WithAllocator(Parse(name)).Validate();
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
