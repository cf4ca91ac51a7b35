using System.Reflection;
using System.Text;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>A file of kernels that is embedded in this assembly, and the entries that its text declares.</summary>
internal sealed class PtxFile
{
    private const string Prefix = "KvChat.Kernels.Cuda.", Suffix = ".ptx";

    private PtxFile(string name, byte[] text)
    {
        Name = name;
        Text = text;
        Entries = ReadEntries(Encoding.ASCII.GetString(text));
    }

    /// <summary>Name of the file.</summary>
    public string Name { get; }

    /// <summary>What the driver compiles, with a zero at its end.</summary>
    public byte[] Text { get; }

    /// <summary>Bytes of the argument of each entry, by name.</summary>
    public IReadOnlyDictionary<string, int> Entries { get; }

    /// <summary>Reads all files of kernels.</summary>
    public static IReadOnlyList<PtxFile> ReadAll()
    {
        Assembly assembly = typeof(PtxFile).Assembly;
        List<PtxFile> files = [];
        foreach (string resource in assembly.GetManifestResourceNames().Order(StringComparer.Ordinal))
        {
            if (!resource.StartsWith(Prefix, StringComparison.Ordinal) || !resource.EndsWith(Suffix, StringComparison.Ordinal))
                continue;
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            byte[] text = new byte[stream.Length + 1];
            stream.ReadExactly(text, 0, (int)stream.Length);
            files.Add(new PtxFile(resource[Prefix.Length..], text));
        }

        return files;
    }

    // .visible .entry name(
    //     .param .align 8 .b8 name_param_0[64]
    // )
    private static Dictionary<string, int> ReadEntries(string text)
    {
        const string Entry = ".visible .entry ";
        Dictionary<string, int> entries = new(StringComparer.Ordinal);
        for (int at = text.IndexOf(Entry, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Entry, at, StringComparison.Ordinal))
        {
            at += Entry.Length;
            int open = text.IndexOf('(', at), close = text.IndexOf(')', at);
            int size = text.IndexOf('[', open), end = size < 0 ? -1 : text.IndexOf(']', size);
            int bytes = size > 0 && end < close && int.TryParse(text.AsSpan(size + 1, end - size - 1), out int read) ? read : 0;
            entries.Add(text[at..open].Trim(), bytes);
        }

        return entries;
    }
}
