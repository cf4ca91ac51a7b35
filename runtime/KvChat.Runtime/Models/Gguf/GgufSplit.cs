using System.Globalization;
using System.Text.RegularExpressions;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>
/// Models split over several files. Each part names its number (from 0), how many there are, and the number of tensors in all of them; file names count from 1.
/// </summary>
internal static partial class GgufSplit
{
    /// <summary>Paths of all parts of a split model but the given one; empty for a model in one file.</summary>
    public static IEnumerable<string> OtherParts(GgufPart part, string path)
    {
        int count = Count(part);
        if (count == 1)
        {
            return [];
        }

        int number = Number(part, count);
        string name = Path.GetFileName(path);
        Match match = PartName().Match(name);
        string ending = string.Create(CultureInfo.InvariantCulture, $"-{number + 1:d5}-of-{count:d5}.gguf");
        if (!match.Success || !name.EndsWith(ending, StringComparison.Ordinal))
        {
            throw new ModelFileException(
                GgufFormat.SplitNumberKey,
                part.Metadata.OffsetOf(GgufFormat.SplitNumberKey),
                $"is {number} of {count} parts; the name of that file must end in '{ending}', so that the others are found",
                part.Bytes.Name);
        }

        string prefix = Path.Combine(Path.GetDirectoryName(path)!, match.Groups["prefix"].Value);
        return Enumerable.Range(0, count)
            .Where(other => other != number)
            .Select(other => string.Create(CultureInfo.InvariantCulture, $"{prefix}-{other + 1:d5}-of-{count:d5}.gguf"));
    }

    /// <summary>The parts by their numbers. That these are right is for <see cref="Check"/> to say.</summary>
    public static List<GgufPart> Order(IReadOnlyList<GgufPart> parts) =>
        parts.Count == 1 ? [.. parts] : [.. parts.OrderBy(part => Number(part, Count(part)))];

    /// <summary>Refuses parts that do not make one model.</summary>
    public static void Check(IReadOnlyList<GgufPart> parts)
    {
        for (int index = 0; index < parts.Count; index++)
        {
            int count = Count(parts[index]);
            if (count != parts.Count)
            {
                throw Fail(parts[index], GgufFormat.SplitCountKey, $"is {count}, but {parts.Count} part(s) were given");
            }

            int number = count == 1 ? 0 : Number(parts[index], count);
            if (number != index)
            {
                throw Fail(parts[index], GgufFormat.SplitNumberKey, $"is {number}, but part {index} of {count} is needed: one is missing or given twice");
            }
        }

        long tensors = parts.Sum(part => (long)part.Tensors.Count + part.Unsupported.Count);
        foreach (GgufPart part in parts)
        {
            if (part.Metadata.TryGetUInt64(GgufFormat.SplitTensorsKey, out ulong expected) && expected != (ulong)tensors)
            {
                throw Fail(part, GgufFormat.SplitTensorsKey, $"is {expected}, but the parts hold {tensors} tensors");
            }
        }
    }

    private static int Count(GgufPart part)
    {
        if (!part.Metadata.TryGetUInt32(GgufFormat.SplitCountKey, out uint count))
        {
            return 1;
        }

        // The key is 16 bits wide in the files that exist; 0 is what some writers put into a whole model.
        return count <= ushort.MaxValue
            ? (int)Math.Max(count, 1)
            : throw Fail(part, GgufFormat.SplitCountKey, $"is {count}; a model has at most {ushort.MaxValue} parts");
    }

    private static int Number(GgufPart part, int count)
    {
        uint number = part.Metadata.GetUInt32(GgufFormat.SplitNumberKey);
        return number < (uint)count
            ? (int)number
            : throw Fail(part, GgufFormat.SplitNumberKey, $"is {number}; with {count} part(s) it is 0 to {count - 1}");
    }

    private static ModelFileException Fail(GgufPart part, string key, string problem) =>
        new(key, part.Metadata.OffsetOf(key), problem, part.Bytes.Name);

    [GeneratedRegex(@"^(?<prefix>.*)-[0-9]{5}-of-[0-9]{5}\.gguf$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex PartName();
}
