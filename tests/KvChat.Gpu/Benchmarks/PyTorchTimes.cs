using System.Text.Json;

namespace KvChat.Gpu.Benchmarks;

/// <summary>What <c>pytorch_reference.py</c> measured, by the sizes of each measurement; times are in microseconds.</summary>
internal sealed class PyTorchTimes
{
    private readonly Dictionary<(string What, int First, int Second, int Third), double> _times = [];

    private PyTorchTimes(string device, string shape) => (Device, Shape) = (device, shape);

    /// <summary>Name of the device that it ran on.</summary>
    public string Device { get; }

    /// <summary>Name of the model's sizes.</summary>
    public string Shape { get; }

    /// <summary>Reads what the script wrote.</summary>
    /// <exception cref="FormatException">It is not what the script writes; the message says what is wrong where.</exception>
    public static PyTorchTimes Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement;
            PyTorchTimes times = new(root.GetProperty("device").GetString() ?? "", root.GetProperty("shape").GetString() ?? "");
            times.Add(root, "decode_attention", "batch", "context", null);
            times.Add(root, "prefill_attention", "rows", "before", null);
            times.Add(root, "products", "rows", "outputs", "inputs");
            return times;
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new FormatException($"{path} is not what pytorch_reference.py writes: {error.Message}", error);
        }
    }

    /// <summary>Attention of one row of each of <paramref name="batch"/> sequences over so many contiguous KVs; null where it was not measured.</summary>
    public double? DecodeAttention(int batch, int context) => Of("decode_attention", batch, context);

    /// <summary>Attention of a sequence's rows, those before them seen by all; null where it was not measured.</summary>
    public double? PrefillAttention(int rows, int before) => Of("prefill_attention", rows, before);

    /// <summary>A product of rows with weights in fp16; null where it was not measured.</summary>
    public double? Product(int rows, int outputs, int inputs) => Of("products", rows, outputs, inputs);

    private double? Of(string what, int first, int second, int third = 0) => _times.TryGetValue((what, first, second, third), out double time) ? time : null;

    private void Add(JsonElement root, string what, string first, string second, string? third)
    {
        foreach (JsonElement row in root.GetProperty(what).EnumerateArray())
            _times[(what, row.GetProperty(first).GetInt32(), row.GetProperty(second).GetInt32(), third is null ? 0 : row.GetProperty(third).GetInt32())] = row.GetProperty("microseconds").GetDouble();
    }
}
