using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace KvChat.TestSupport;

/// <summary>Writes files in the safetensors format, whole or in shards.</summary>
public static class SafetensorsImage
{
    /// <summary>A file's bytes.</summary>
    /// <param name="arrays">Tensors in order.</param>
    public static byte[] Write(IEnumerable<SafetensorsArray> arrays)
    {
        var header = new StringBuilder("{");
        using var data = new MemoryStream();
        foreach (SafetensorsArray array in arrays)
        {
            header.Append(header.Length > 1 ? "," : "").Append(CultureInfo.InvariantCulture, $"{JsonSerializer.Serialize(array.Name)}:")
                .Append(CultureInfo.InvariantCulture, $"{{\"dtype\":\"{array.Type}\",\"shape\":[{string.Join(',', array.Shape)}],\"data_offsets\":[{data.Length},{data.Length + array.Bytes.Length}]}}");
            data.Write(array.Bytes.Span);
        }

        return Raw(header.Append('}').ToString(), data.ToArray());
    }

    /// <summary>A file of a header as it is given, whatever it says.</summary>
    public static byte[] Raw(string header, ReadOnlySpan<byte> data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        var file = new byte[sizeof(ulong) + text.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)text.Length);
        text.CopyTo(file.AsSpan(sizeof(ulong)));
        data.CopyTo(file.AsSpan(sizeof(ulong) + text.Length));
        return file;
    }

    /// <summary>Splits a file into shards with an index.</summary>
    public static void Shard(string file, string folder, int count)
    {
        var index = new Dictionary<string, string>(StringComparer.Ordinal);
        SafetensorsArray[] all = [.. SafetensorsFile.Open(file).Arrays.Values];
        for (int shard = 0; shard < count; shard++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:d5}-of-{count:d5}.safetensors");
            SafetensorsArray[] own = [.. all.Where((_, i) => i % count == shard)];
            File.WriteAllBytes(Path.Combine(folder, name), Write(own));
            foreach (SafetensorsArray array in own)
                index.Add(array.Name, name);
        }

        string text = JsonSerializer.Serialize(new Dictionary<string, object> { ["metadata"] = new Dictionary<string, long> { ["total_size"] = 1 }, ["weight_map"] = index });
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), text);
    }
}
