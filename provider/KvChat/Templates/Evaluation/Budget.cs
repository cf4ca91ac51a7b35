using System.Runtime.CompilerServices;

namespace KvChat.Templates;

/// <summary>Counts what one rendering uses and stops it at its limits.</summary>
internal sealed class Budget(TemplateLimits limits)
{
    [ThreadStatic]
    private static Budget? current;

    private long steps = limits.MaxSteps;
    private long characters = limits.MaxCharactersWritten;
    private int depth;

    /// <summary>
    /// The budget of the rendering that this thread is doing, for code that is called back without one (comparison and hashing of keys);
    /// null outside a rendering.
    /// </summary>
    internal static Budget? Current
    {
        get => current;
        set => current = value;
    }

    internal TemplateLimits Limits { get; } = limits;

    internal void Step(long count = 1)
    {
        steps -= count;
        if (steps < 0)
            throw new TemplateFault("steps", $"more than {Limits.MaxSteps} steps");
    }

    /// <summary>Characters are also steps, at 32 to one: copying is quick, but not free.</summary>
    internal void Characters(int count)
    {
        characters -= count;
        if (characters < 0)
            throw new TemplateFault("characters", $"more than {Limits.MaxCharactersWritten} characters written");
        Step(count / 32);
    }

    /// <summary>Checks the length of a list that is about to be made, and pays for it.</summary>
    internal int Elements(long count, string construct)
    {
        if (count > Limits.MaxRange)
            throw new TemplateFault(construct, $"{count} elements; {Limits.MaxRange} are allowed");
        Step(Math.Max(0, count));
        return (int)Math.Max(0, count);
    }

    internal void Enter()
    {
        if (++depth > Limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new TemplateFault("depth", $"nested deeper than {Math.Min(depth, Limits.MaxDepth)} levels");
    }

    internal void Leave() => depth--;
}
