using System.Collections.Concurrent;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Schema;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>A named format as an automaton, and its bound on the length, which is kept apart since it would multiply states.</summary>
internal sealed record Format(string Pattern, CharDfa Dfa, TextAutomaton Automaton, int MaxLength);

/// <summary>
/// The formats of JSON schema that are regular, by their RFCs. Each automaton is built at its first use and kept. A name that nobody
/// defined is an annotation; a defined one that is not regular is refused.
/// </summary>
internal static class Formats
{
    /// <summary>Longest host name in text form (RFC 1035).</summary>
    private const int LongestHostName = 253;

    private static readonly Dictionary<string, Func<string>> Patterns = new(StringComparer.Ordinal)
    {
        ["date"] = () => FormatPatterns.Date,
        ["time"] = () => FormatPatterns.Time,
        ["date-time"] = () => FormatPatterns.Date + "[tT]" + FormatPatterns.Time,
        ["duration"] = () => FormatPatterns.Duration,
        ["email"] = () => FormatPatterns.Email,
        ["idn-email"] = () => FormatPatterns.IdnEmail,
        ["hostname"] = () => FormatPatterns.HostName,
        ["ipv4"] = () => FormatPatterns.Ipv4,
        ["ipv6"] = () => FormatPatterns.Ipv6,
        ["uri"] = () => UriPatterns.Uri(false),
        ["uri-reference"] = () => UriPatterns.Reference(false),
        ["iri"] = () => UriPatterns.Uri(true),
        ["iri-reference"] = () => UriPatterns.Reference(true),
        ["uri-template"] = () => UriPatterns.Template,
        ["uuid"] = () => FormatPatterns.Uuid,
        ["json-pointer"] = () => FormatPatterns.JsonPointer,
        ["relative-json-pointer"] = () => FormatPatterns.RelativeJsonPointer,
    };

    private static readonly string[] Refused = ["regex", "idn-hostname"];

    private static readonly ConcurrentDictionary<(string Name, bool LeapSeconds), Lazy<Format>> Built = [];

    /// <summary>Whether the format is asserted; others are annotations.</summary>
    public static bool IsKnown(string name) => Patterns.ContainsKey(name) || Array.IndexOf(Refused, name) >= 0;

    /// <param name="node">The schema that asks for it.</param>
    /// <param name="name">Its name.</param>
    /// <param name="leapSeconds">Whether times may have a second 60.</param>
    /// <exception cref="SchemaNotSupportedException">The format is not regular.</exception>
    public static Format Find(SchemaNode node, string name, bool leapSeconds)
    {
        if (!Patterns.TryGetValue(name, out Func<string>? pattern))
            throw node.Unsupported("format", $"'{name}' is not a regular language");
        bool leap = leapSeconds && name is ("time" or "date-time");
        return Built.GetOrAdd((name, leap), _ => new Lazy<Format>(() => Build(name, pattern(), leap))).Value;
    }

    private static Format Build(string name, string pattern, bool leapSeconds)
    {
        var factory = new LanguageFactory();
        Language language = new RegexTranslator(factory).FullMatch(pattern);
        if (leapSeconds)
        {
            Language leap = LeapSeconds.Language(factory);
            Language before = name == "time" ? factory.Empty : new RegexTranslator(factory).FullMatch(FormatPatterns.Date + "[tT]");
            language = factory.Or(language, factory.Concat(before, leap));
        }

        CharDfa dfa = DfaBuilder.Build(factory, language);
        return new Format(pattern, dfa, new TextAutomaton(dfa, isQuoted: true), name == "hostname" ? LongestHostName : LanguageFactory.Unbounded);
    }
}
