using System.Text;

namespace KvChat.Tests.Templates;

/// <summary>Finds one string in the metadata of a GGUF file, so that these tests need no model loader.</summary>
internal static class GgufText
{
    /// <summary>Value of a key of type string: the key, a type code (8), a length of 8 bytes, UTF-8.</summary>
    internal static string Metadata(string path, string key)
    {
        using FileStream file = File.OpenRead(path);
        byte[] head = new byte[Math.Min(file.Length, 16 << 20)];
        file.ReadExactly(head);
        int at = head.AsSpan().IndexOf(Encoding.UTF8.GetBytes(key)) + key.Length;
        Assert.Equal(8, BitConverter.ToInt32(head, at));
        return Encoding.UTF8.GetString(head, at + 12, (int)BitConverter.ToInt64(head, at + 4));
    }
}
