using System.Collections;

namespace KvChat.Templates;

/// <summary>
/// The variables of one rendering (<c>messages</c>, <c>tools</c>, <c>add_generation_prompt</c>, <c>bos_token</c>, ...) and its clock.
/// Not changed by rendering; reading from several threads is safe.
/// </summary>
public sealed class TemplateInput : IEnumerable<KeyValuePair<string, TemplateValue>>
{
    private readonly Dictionary<string, TemplateValue> variables = new(StringComparer.Ordinal);

    /// <summary>The clock of <c>strftime_now</c>, read in its local time zone.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>A variable by name. A variable that was never set is undefined in the template, which differs from null.</summary>
    /// <exception cref="KeyNotFoundException">No such variable (reading).</exception>
    public TemplateValue this[string name]
    {
        get => variables[name];
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            variables[name] = value;
        }
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, TemplateValue>> GetEnumerator() => variables.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal bool TryGet(string name, out TemplateValue? value) => variables.TryGetValue(name, out value);
}
