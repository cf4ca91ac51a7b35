using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Safetensors;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Safetensors;

/// <summary>Files that lie are refused by a message that names what is wrong.</summary>
public sealed class SafetensorsHostileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvchat-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("""[1]""", "header", "object")]
    [InlineData("""{"a":""", "header", "no JSON")]
    [InlineData("""{"a":1}""", "tensor a", "dtype, shape and data_offsets")]
    [InlineData("""{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}""", "tensor a: dtype", "Q4")]
    [InlineData("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", "tensor a: dtype", "missing")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2,-1],"data_offsets":[0,8]}}""", "tensor a: shape", "-1")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}""", "tensor a: shape", "1.5")]
    [InlineData("""{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", "tensor a: shape", "list")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}""", "tensor a: shape", "9 dimensions")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}""", "tensor a: data_offsets", "within the 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "tensor a: data_offsets", "begin and an end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}""", "tensor a: data_offsets", "begin and an end")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "tensor a: data_offsets", "8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,4],"data_offsets":[0,0]}}""", "tensor a: data_offsets", "0 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "header", "no JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "tensor b: data_offsets", "without gaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "tensor a: data_offsets", "without gaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "file", "tensors take 4")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "header", "no JSON")]
    public void Headers_that_lie_are_refused(string header, string field, string problem)
    {
        var error = Assert.Throws<ModelFileException>(() => SafetensorsWeights.Open(SafetensorsImage.Raw(header, new byte[8])));
        Assert.Equal(field, error.Field);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 1, 2, 3 }, "header")]
    [InlineData(new byte[] { 9, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}' }, "header length")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, (byte)'{', (byte)'}' }, "header length")]
    public void Files_that_are_cut_off_are_refused(byte[] file, string field) =>
        Assert.Equal(field, Assert.Throws<ModelFileException>(() => SafetensorsWeights.Open(file)).Field);

    [Fact]
    public void A_tensor_of_another_shape_or_type_is_refused_by_its_name()
    {
        byte[] file = SafetensorsImage.Write([new("a", "F32", [2, 3], new byte[24]), new("b", "F8_E4M3", [2, 3], new byte[6])]);
        using SafetensorsWeights weights = SafetensorsWeights.Open(file);
        Assert.Contains("[2, 3]", Assert.Throws<ModelFileException>(() => weights.Matrix("a", 3, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("[6]", Assert.Throws<ModelFileException>(() => weights.Vector("a", 6)).Message, StringComparison.Ordinal);
        Assert.Contains("F8_E4M3", Assert.Throws<ModelFileException>(() => weights.Matrix("b", 2, 3)).Message, StringComparison.Ordinal);
        Assert.Contains("missing", Assert.Throws<ModelFileException>(() => weights.Matrix("c", 2, 3)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../other.safetensors"}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":"C:\\other.safetensors"}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":7}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"z":"one.safetensors"}}""", "weight_map.z")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{"metadata":{}}""", "weight_map")]
    [InlineData("""{""", "file")]
    public void An_index_that_lies_is_refused(string index, string field)
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, "one.safetensors"), SafetensorsImage.Write([new("a", "F32", [1], new byte[4])]));
        File.WriteAllText(Path.Combine(_folder.FullName, SafetensorsWeights.IndexName), index);
        Assert.Equal(field, Assert.Throws<ModelFileException>(() => SafetensorsWeights.Open(_folder.FullName)).Field);
    }

    [Fact]
    public void A_shard_that_is_missing_is_named()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, SafetensorsWeights.IndexName), """{"weight_map":{"a":"gone.safetensors"}}""");
        Assert.Contains("gone.safetensors", Assert.Throws<FileNotFoundException>(() => SafetensorsWeights.Open(_folder.FullName)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_weights_is_named() =>
        Assert.Contains(SafetensorsWeights.IndexName, Assert.Throws<FileNotFoundException>(() => SafetensorsWeights.Open(_folder.FullName)).Message, StringComparison.Ordinal);
}
