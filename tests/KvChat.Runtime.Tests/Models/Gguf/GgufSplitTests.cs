using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Gguf;

public sealed class GgufSplitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-split").FullName;

    private static GgufWriter Model => new GgufWriter()
        .Add("general.name", "split")
        .AddTensor("a", WeightFormat.F32, [1f], 1)
        .AddTensor("b", WeightFormat.F16, [2f, 3f], 2)
        .AddTensor("c", WeightFormat.F32, [4f], 1);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_part_opens_the_whole_model(int given)
    {
        IReadOnlyList<string> paths = Model.SaveParts(_folder, "model", 1);

        using GgufFile file = GgufFile.Open(paths[given]);

        Assert.Equal("split", file.Metadata.GetString("general.name"));
        Assert.Equal([1f], file.RequireTensor("a").ToFloats());
        Assert.Equal([2f, 3f], file.RequireTensor("b").ToFloats());
        Assert.Equal([4f], file.RequireTensor("c").ToFloats());
    }

    [Fact]
    public void A_missing_part_is_a_missing_file()
    {
        IReadOnlyList<string> paths = Model.SaveParts(_folder, "model", 1);
        File.Delete(paths[1]);

        Assert.Contains("00002-of-00003", Assert.Throws<FileNotFoundException>(() => GgufFile.Open(paths[0])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_part_under_another_name_is_refused()
    {
        IReadOnlyList<string> paths = Model.SaveParts(_folder, "model", 1);
        string renamed = Path.Combine(_folder, "renamed.gguf");
        File.Copy(paths[0], renamed);
        File.Copy(paths[1], paths[2], overwrite: true);

        Assert.Equal("split.no", Assert.Throws<ModelFileException>(() => GgufFile.Open(renamed)).Field);
        Assert.Equal("split.no", Assert.Throws<ModelFileException>(() => GgufFile.Open(paths[0])).Field);
        Assert.Equal("split.no", Assert.Throws<ModelFileException>(() => GgufFile.Open(paths[2])).Field);
    }

    [Fact]
    public void Buffers_may_come_in_any_order_but_must_be_all()
    {
        ReadOnlyMemory<byte>[] parts = [.. Model.BuildParts(2).Select(part => (ReadOnlyMemory<byte>)part.ToArray())];

        using GgufFile file = GgufFile.Open([parts[1], parts[0]]);

        Assert.Equal("split", file.Metadata.GetString("general.name"));
        Assert.Equal("split.count", Assert.Throws<ModelFileException>(() => GgufFile.Open(parts[0])).Field);
        Assert.Equal("split.no", Assert.Throws<ModelFileException>(() => GgufFile.Open([parts[0], parts[0]])).Field);
    }

    [Fact]
    public void A_tensor_count_that_is_not_that_of_the_parts_is_refused()
    {
        byte[] whole = Model.Add("split.count", (ushort)1).Add("split.no", (ushort)0).Add("split.tensors.count", 4).ToArray();

        ModelFileException exception = Assert.Throws<ModelFileException>(() => GgufFile.Open(whole));

        Assert.Equal("split.tensors.count", exception.Field);
        Assert.NotNull(exception.Offset);
    }

    [Fact]
    public void A_tensor_of_two_parts_is_refused()
    {
        IReadOnlyList<GgufImage> parts = new GgufWriter()
            .AddTensor("same", WeightFormat.F32, [1f], 1)
            .AddTensor("same", WeightFormat.F32, [2f], 1)
            .BuildParts(1);

        Assert.Equal("same", Assert.Throws<ModelFileException>(() => GgufFile.Open([parts[0].ToArray(), parts[1].ToArray()])).Field);
    }
}
