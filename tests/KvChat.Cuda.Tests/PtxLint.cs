using System.Text.RegularExpressions;

namespace KvChat.Cuda.Tests;

/// <summary>
/// What can be said about PTX without the vendor's assembler: that it asks for the baseline, keeps to known instructions, calls nothing, spills nothing that the
/// compiler knows of, and that its entries look as the binding expects.
/// </summary>
internal static partial class PtxLint
{
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "abs", "add", "and", "atom", "bar", "bfe", "bfi", "bfind", "bra", "brev", "clz", "cp", "cvt", "cvta", "div", "ex2", "fma", "ld", "ldmatrix", "mad", "max", "membar", "min", "mma", "mov",
        "mul", "neg", "not", "or", "popc", "prmt", "rcp", "red", "rem", "ret", "rsqrt", "selp", "set", "setp", "shf", "shfl", "shl", "shr", "sqrt", "st", "sub", "vote", "xor",
    };

    /// <summary>What is wrong with a file, a sentence each.</summary>
    public static IEnumerable<string> Faults(string ptx)
    {
        ptx = Comments().Replace(ptx, string.Empty);
        if (Count(ptx, ".version 7.0\n") != 1)
            yield return "the version is not 7.0";
        if (Count(ptx, ".target sm_80\n") != 1)
            yield return "the target is not sm_80";
        if (ptx.Contains(".local", StringComparison.Ordinal))
            yield return "it uses local memory";
        if (ptx.Contains(".func", StringComparison.Ordinal))
            yield return "it has functions that were not inlined";
        foreach (string fault in Instructions().Matches(ptx).Select(m => m.Groups[1].Value).Where(name => !Known.Contains(name)).Distinct())
            yield return $"it has the instruction {fault}";
        foreach (Match entry in Entries().Matches(ptx))
        {
            string name = entry.Groups[1].Value;
            if (!name.StartsWith("kv_", StringComparison.Ordinal))
                yield return $"the entry {name} does not start with kv_";
            if (!OneStruct().IsMatch(entry.Groups[2].Value))
                yield return $"the entry {name} does not take one struct";
            if (!Bounds().IsMatch(entry.Groups[3].Value))
                yield return $"the entry {name} says nothing of its largest block, or one that is not of whole warps";
        }

        if (Entries().Count(ptx) == 0 || Entries().Count(ptx) != Count(ptx, ".entry "))
            yield return "its entries cannot be read";
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    [GeneratedRegex(@"[ \t]*//[^\n]*")]
    private static partial Regex Comments();

    [GeneratedRegex(@"^\t(?:@!?%p\d+ )?([a-z][a-z0-9]*)[. \t;]", RegexOptions.Multiline)]
    private static partial Regex Instructions();

    [GeneratedRegex(@"^\.visible \.entry (\w+)\(\n(.*?)\n\)\n(.*?)\{", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Entries();

    [GeneratedRegex(@"^\t\.param \.align (4|8) \.b8 \w+_param_0\[\d+\]$")]
    private static partial Regex OneStruct();

    [GeneratedRegex(@"^\.maxntid (32|64|96|128|160|192|224|256|384|512|640|768|1024), 1, 1\n$")]
    private static partial Regex Bounds();
}
