using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Gguf;

public sealed class GgufFileTests
{
    [Fact]
    public void The_embedded_model_opens_with_its_metadata_and_tensors()
    {
        using GgufFile file = GgufFile.Open(SharedFiles.EmbeddedModel);

        Assert.Equal(3u, file.Version);
        Assert.Equal("llama", file.Metadata.GetString("general.architecture"));
        Assert.Equal(256, file.Metadata.GetInt32("llama.embedding_length"));
        Assert.Equal(8192ul, file.Metadata.GetUInt64("llama.context_length"));
        Assert.Equal(100000f, file.Metadata.GetSingle("llama.rope.freq_base"));
        Assert.False(file.Metadata.GetBoolean("tokenizer.ggml.add_bos_token"));
        Assert.Equal(2048, file.Metadata.GetStringArray("tokenizer.ggml.tokens").Length);
        Assert.Equal("Ġt he", file.Metadata.GetStringArray("tokenizer.ggml.merges")[2]);
        Assert.Equal([3, 3, 3, 1], file.Metadata.GetInt32Array("tokenizer.ggml.token_type")[..4]);
        Assert.Equal(38, file.Tensors.Count);

        GgufTensor tensor = file.RequireTensor("blk.0.ffn_down.weight");
        Assert.Equal(WeightFormat.Q8_0, tensor.Format);
        Assert.Equal([704, 256], tensor.Dimensions);
        Assert.Equal((704, 256, 704 / 32 * 34 * 256L), (tensor.Columns, tensor.Rows, tensor.ByteLength));
        Assert.All(tensor.ToFloats(), value => Assert.InRange(value, -10f, 10f));
    }

    [SharedFact("models/tiny/kvchat-tiny-f16.gguf")]
    public void Every_tensor_of_a_model_in_F16_can_be_read() => ReadAllTensors("models/tiny/kvchat-tiny-f16.gguf");

    [SharedFact("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]
    public void Every_tensor_of_a_model_in_Q4_1_can_be_read() => ReadAllTensors("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");

    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.F16)]
    [InlineData(WeightFormat.BF16)]
    [InlineData(WeightFormat.Q8_0)]
    public void A_tensor_gives_back_what_was_written(WeightFormat format)
    {
        float[] values = [.. Enumerable.Range(0, 3 * 32).Select(i => i % 32 == 0 ? 127f : i % 32)];
        using GgufFile file = GgufFile.Open(new GgufWriter { Alignment = 64 }
            .AddTensor("first", WeightFormat.F32, [1f], 1)
            .AddTensor("second", format, values, 32, 3)
            .ToArray());

        GgufTensor tensor = file.RequireTensor("second");

        Assert.Equal(format, tensor.Format);
        Assert.Equal(0, (tensor.FileOffset - file.RequireTensor("first").FileOffset) % 64);
        Assert.Equal(values, tensor.ToFloats());
        float[] row = new float[32];
        tensor.ReadRow(2, row);
        Assert.Equal(values[64..], row);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.ReadRow(3, row));
        Assert.Throws<ArgumentException>(() => tensor.ReadRow(0, row.AsSpan(1)));
    }

    [Fact]
    public void Version_2_is_read_like_version_3()
    {
        using GgufFile file = GgufFile.Open(new GgufWriter { Version = 2 }.Add("general.name", "old").ToArray());

        Assert.Equal(2u, file.Version);
        Assert.Equal("old", file.Metadata.GetString("general.name"));
    }

    [Fact]
    public void A_tensor_of_an_unsupported_type_hurts_only_who_requires_it()
    {
        using GgufFile file = GgufFile.Open(new GgufWriter()
            .AddTensor("odd", 16, new byte[66], 256)
            .AddTensor("plain", WeightFormat.F32, [1f, 2f], 2)
            .ToArray());

        Assert.Equal([1f, 2f], file.RequireTensor("plain").ToFloats());
        ModelFileException exception = Assert.Throws<ModelFileException>(() => file.RequireTensor("odd"));
        Assert.Equal("odd", exception.Field);
        Assert.Contains("IQ2_XXS", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ModelFileException>(() => file.TryGetTensor("odd", out _));
        Assert.False(file.TryGetTensor("absent", out _));
        Assert.Equal("absent", Assert.Throws<ModelFileException>(() => file.RequireTensor("absent")).Field);
    }

    [Fact]
    public unsafe void A_closed_file_hands_out_no_pointers()
    {
        GgufFile file = GgufFile.Open(SharedFiles.EmbeddedModel);
        GgufTensor tensor = file.RequireTensor("output_norm.weight");
        file.Dispose();
        file.Dispose();

        Assert.Throws<ObjectDisposedException>(() => tensor.ToFloats());
        Assert.Throws<ObjectDisposedException>(() => (nint)tensor.Data);
        Assert.Equal("llama", file.Metadata.GetString("general.architecture"));
    }

    [Fact]
    public void What_is_no_file_is_refused_by_kind()
    {
        string folder = Directory.CreateTempSubdirectory("kvchat-gguf").FullName;
        try
        {
            string empty = Path.Combine(folder, "empty.gguf");
            File.WriteAllBytes(empty, []);

            Assert.Contains("empty", Assert.Throws<ModelFileException>(() => GgufFile.Open(empty)).Message, StringComparison.Ordinal);
            Assert.Contains("directory", Assert.Throws<ModelFileException>(() => GgufFile.Open(folder)).Message, StringComparison.Ordinal);
            Assert.Throws<FileNotFoundException>(() => GgufFile.Open(Path.Combine(folder, "absent.gguf")));
            Assert.Throws<ModelFileException>(() => GgufFile.Open(ReadOnlyMemory<byte>.Empty));
            Assert.Throws<ArgumentException>(() => GgufFile.Open(Array.Empty<ReadOnlyMemory<byte>>()));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_refused_file_is_closed_again()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new GgufWriter { Version = 9 }.ToArray());
            Assert.Throws<ModelFileException>(() => GgufFile.Open(path));

            // Fails with a sharing violation while a reader holds the file.
            using FileStream exclusive = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void ReadAllTensors(string model)
    {
        using GgufFile file = GgufFile.Open(SharedFiles.PathOf(model));

        Assert.NotEmpty(file.Tensors);
        foreach (GgufTensor tensor in file.Tensors.Values)
        {
            float[] row = new float[tensor.Columns];
            foreach (int index in new[] { 0, tensor.Rows - 1 })
            {
                tensor.ReadRow(index, row);
                Assert.All(row, value => Assert.InRange(value, -1000f, 1000f));
            }
        }
    }
}
