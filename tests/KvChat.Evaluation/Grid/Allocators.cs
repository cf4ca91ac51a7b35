using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>The allocator as a choice of its own beside the policy.</summary>
internal static class Allocators
{
    /// <summary>The word for the policy's own allocator.</summary>
    public const string Preset = "preset";

    /// <summary>What <c>--allocator</c> takes.</summary>
    public static IReadOnlyList<string> Names { get; } = [Preset, .. BudgetAllocators.Names];

    /// <summary>A word of <see cref="Names"/> as settings have it: null for the policy's own.</summary>
    public static string? Parse(string word) => word == Preset ? null : word;

    /// <summary>Name of the allocator that a setting comes to; none with the full cache.</summary>
    public static string NameOf(string policy, string? allocator) =>
        policy == CompressionPolicies.Off ? "none" : allocator ?? CompressionPolicies.Get(policy).Allocator;
}
