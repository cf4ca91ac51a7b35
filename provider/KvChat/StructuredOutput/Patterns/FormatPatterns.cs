namespace KvChat.StructuredOutput.Patterns;

/// <summary>Regular expressions of formats, each for a whole text.</summary>
internal static class FormatPatterns
{
    private const string LeapYear = @"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][48]|[13579][26]|[2468]0)00)";

    /// <summary>RFC 3339 full-date, with the days that months have; the year 0000, which many readers lack, is left out.</summary>
    public const string Date = @"(?!0000)(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|" + LeapYear + "-02-29)";

    private const string Clock = @"(?:[01]\d|2[0-3]):[0-5]\d";

    /// <summary>RFC 3339 full-time but for leap seconds.</summary>
    public const string Time = Clock + @":[0-5]\d(?:\.\d+)?(?:[zZ]|[+-]" + Clock + ")";

    private const string DurationTime = @"T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)";

    /// <summary>RFC 3339, appendix A.</summary>
    public const string Duration = @"P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)(?:" + DurationTime + ")?|" + DurationTime + ")";

    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

    private const string HostLabel = "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]{0,1}[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-](?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,59}[A-Za-z0-9])?|-[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])?))";

    /// <summary>
    /// RFC 1123, without labels that have hyphens in the third and fourth place: <c>xn--</c> labels are valid or not by the tables of
    /// IDNA, which no automaton follows, and others of the kind are reserved.
    /// </summary>
    public const string HostName = HostLabel + @"(?:\." + HostLabel + ")*";

    private const string Octet = @"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)";

    public const string Ipv4 = "(?:" + Octet + @"\.){3}" + Octet;

    private const string Group = "[0-9A-Fa-f]{1,4}";

    private const string Last32 = "(?:" + Group + ":" + Group + "|" + Ipv4 + ")";

    /// <summary>RFC 3986's IPv6address.</summary>
    public const string Ipv6 = "(?:(?:" + Group + ":){6}" + Last32
        + "|::(?:" + Group + ":){5}" + Last32
        + "|(?:" + Group + ")?::(?:" + Group + ":){4}" + Last32
        + "|(?:(?:" + Group + ":){0,1}" + Group + ")?::(?:" + Group + ":){3}" + Last32
        + "|(?:(?:" + Group + ":){0,2}" + Group + ")?::(?:" + Group + ":){2}" + Last32
        + "|(?:(?:" + Group + ":){0,3}" + Group + ")?::" + Group + ":" + Last32
        + "|(?:(?:" + Group + ":){0,4}" + Group + ")?::" + Last32
        + "|(?:(?:" + Group + ":){0,5}" + Group + ")?::" + Group
        + "|(?:(?:" + Group + ":){0,6}" + Group + ")?::)";

    private const string AtomCharacter = @"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";

    private const string Quoted = @"""(?:[ !#-\[\]-~]|\\[ -~])*""";

    private const string Domain = @"(?:" + Label + @"(?:\." + Label + @")*|\[(?:" + Ipv4 + "|IPv6:" + Ipv6 + @")\])";

    /// <summary>RFC 5321's Mailbox.</summary>
    public const string Email = "(?:" + AtomCharacter + @"+(?:\." + AtomCharacter + "+)*|" + Quoted + ")@" + Domain;

    private const string IdnAtom = @"(?:" + AtomCharacter + @"|[^\x00-\x7F])";

    private const string IdnQuoted = @"""(?:[ !#-\[\]-~]|\\[ -~]|[^\x00-\x7F])*""";

    // Letters, digits and combining marks beyond ASCII; full stops of other scripts are separators there and are left out.
    private const string IdnLabel = @"[A-Za-z0-9\p{L}\p{M}\p{Nd}](?:[A-Za-z0-9\p{L}\p{M}\p{Nd}-]{0,61}[A-Za-z0-9\p{L}\p{M}\p{Nd}])?";

    /// <summary>RFC 6531's Mailbox.</summary>
    public const string IdnEmail = "(?:" + IdnAtom + @"+(?:\." + IdnAtom + "+)*|" + IdnQuoted + ")@(?:" + IdnLabel + @"(?:\." + IdnLabel + @")*|\[(?:" + Ipv4 + "|IPv6:" + Ipv6 + @")\])";

    public const string Uuid = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

    /// <summary>RFC 6901.</summary>
    public const string JsonPointer = "(?:/(?:[^~/]|~[01])*)*";

    /// <summary>draft-bhutton-relative-json-pointer.</summary>
    public const string RelativeJsonPointer = @"(?:0|[1-9]\d*)(?:[+-][1-9]\d*)?(?:#|" + JsonPointer + ")";
}
