namespace KvChat.StructuredOutput.Patterns;

/// <summary>Regular expressions of RFC 3986 (URI), RFC 3987 (IRI) and RFC 6570 (templates), put together from their grammars.</summary>
internal static class UriPatterns
{
    private const string Encoded = "%[0-9A-Fa-f]{2}";

    // ucschar of RFC 3987.
    private const string International = @"\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF\u{10000}-\u{1FFFD}\u{20000}-\u{2FFFD}\u{30000}-\u{3FFFD}\u{40000}-\u{4FFFD}"
        + @"\u{50000}-\u{5FFFD}\u{60000}-\u{6FFFD}\u{70000}-\u{7FFFD}\u{80000}-\u{8FFFD}\u{90000}-\u{9FFFD}\u{A0000}-\u{AFFFD}\u{B0000}-\u{BFFFD}"
        + @"\u{C0000}-\u{CFFFD}\u{D0000}-\u{DFFFD}\u{E1000}-\u{EFFFD}";

    // iprivate of RFC 3987, for queries.
    private const string Private = @"\uE000-\uF8FF\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}";

    private const string SubDelimiters = "!$&'()*+,;=";

    /// <summary>A template: literals and expressions in braces.</summary>
    public const string Template = @"(?:[!#$&-;=?-\[\]_a-z~" + International + Private + "]|" + Encoded + @"|\{[+#./;?&=,!@|]?" + Variable + "(?:," + Variable + @")*\})*";

    private const string VariableCharacter = "(?:[A-Za-z0-9_]|" + Encoded + ")";

    private const string Variable = VariableCharacter + @"(?:\.?" + VariableCharacter + @")*(?::[1-9]\d{0,3}|\*)?";

    /// <summary>An absolute reference, perhaps with a fragment.</summary>
    public static string Uri(bool international) => new Parts(international).Absolute;

    /// <summary>The same, or one relative to another.</summary>
    public static string Reference(bool international)
    {
        var parts = new Parts(international);
        return $"(?:{parts.Absolute}|{parts.Relative})";
    }

    private sealed class Parts
    {
        public Parts(bool international)
        {
            string unreserved = "A-Za-z0-9._~" + (international ? International : "");
            string pathCharacter = $"(?:[{unreserved}{SubDelimiters}:@-]|{Encoded})";
            string userInfo = $"(?:[{unreserved}{SubDelimiters}:-]|{Encoded})*";
            string name = $"(?:[{unreserved}{SubDelimiters}-]|{Encoded})*";
            string host = $@"(?:\[(?:{FormatPatterns.Ipv6}|[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~{SubDelimiters}:-]+)\]|{name})";
            string authority = $@"//(?:{userInfo}@)?{host}(?::\d*)?(?:/{pathCharacter}*)*";
            string rootless = $"{pathCharacter}+(?:/{pathCharacter}*)*";
            string rooted = $"/(?:{rootless})?";
            string query = $@"(?:\?(?:{pathCharacter}|[/?{(international ? Private : "")}])*)?(?:#(?:{pathCharacter}|[/?])*)?";
            string first = $"(?:[{unreserved}{SubDelimiters}@-]|{Encoded})+";
            Absolute = $"[A-Za-z][A-Za-z0-9+.-]*:(?:{authority}|{rooted}|{rootless}|){query}";
            Relative = $"(?:{authority}|{rooted}|{first}(?:/{pathCharacter}*)*|){query}";
        }

        public string Absolute { get; }

        public string Relative { get; }
    }
}
