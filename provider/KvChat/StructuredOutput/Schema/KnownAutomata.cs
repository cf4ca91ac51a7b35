using System.Collections.Concurrent;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// Automata of patterns, lengths and numbers, which recur within a schema and between schemas: equal ones are one object, and so are the
/// masks that are made along them. Thread-safe; the small ones are kept, and all are forgotten when they are many.
/// </summary>
/// <typeparam name="T">What is kept.</typeparam>
internal sealed class KnownAutomata<T>(Func<T, CharDfa> automatonOf)
    where T : class
{
    private const int MostKept = 500;

    /// <summary>Most transitions of one that is kept: 200 kB.</summary>
    private const int MostTransitions = 50_000;

    private readonly ConcurrentDictionary<string, T> known = new(StringComparer.Ordinal);

    /// <summary>The one of a key, which is made where it is not known; errors are not kept.</summary>
    public T Get(string key, Func<T> make)
    {
        if (known.TryGetValue(key, out T? found))
            return found;
        T made = make();
        CharDfa dfa = automatonOf(made);
        if ((long)dfa.StateCount * dfa.ClassCount > MostTransitions)
            return made;
        if (known.Count >= MostKept)
            known.Clear();
        return known.GetOrAdd(key, made);
    }
}
