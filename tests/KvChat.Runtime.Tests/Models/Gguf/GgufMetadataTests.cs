using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Gguf;

public sealed class GgufMetadataTests
{
    [Fact]
    public void Every_type_is_read_back()
    {
        GgufMetadata metadata = Metadata(new GgufWriter()
            .Add("u8", (byte)200).Add("i8", (sbyte)-5).Add("u16", (ushort)60000).Add("i16", (short)-6).Add("u32", 4000000000u).Add("i32", -7)
            .Add("u64", ulong.MaxValue).Add("i64", -8L).Add("f32", 1.5f).Add("f64", 2.5).Add("bool", true).Add("text", "häuser 🏠")
            .Add("texts", new[] { "", "b" }).Add("ints", new[] { -1, 2 }).Add("floats", new[] { 0.5f }).Add("bools", new[] { true, false })
            .Add("uints", new[] { 1u, 2u }).Add("doubles", new[] { 0.25 }).Add("none", Array.Empty<int>()));

        Assert.Equal((200, -5, 60000, -6, -7, -8), (metadata.GetInt32("u8"), metadata.GetInt32("i8"), metadata.GetInt32("u16"), metadata.GetInt32("i16"), metadata.GetInt32("i32"), metadata.GetInt32("i64")));
        Assert.Equal(4000000000u, metadata.GetUInt32("u32"));
        Assert.Equal(ulong.MaxValue, metadata.GetUInt64("u64"));
        Assert.Equal((1.5f, 2.5f), (metadata.GetSingle("f32"), metadata.GetSingle("f64")));
        Assert.True(metadata.GetBoolean("bool"));
        Assert.Equal("häuser 🏠", metadata.GetString("text"));
        Assert.Equal(["", "b"], metadata.GetStringArray("texts"));
        Assert.Equal([-1, 2], metadata.GetInt32Array("ints"));
        Assert.Equal([1, 2], metadata.GetInt32Array("uints"));
        Assert.Equal([0.5f], metadata.GetSingleArray("floats"));
        Assert.Equal([0.25f], metadata.GetSingleArray("doubles"));
        Assert.Equal([true, false], metadata.GetBooleanArray("bools"));
        Assert.Empty(metadata.GetInt32Array("none"));
        Assert.True(metadata.TryGetType("ints", out GgufValueType type));
        Assert.Equal(GgufValueType.Array, type);
        Assert.Equal(19, metadata.Keys.Count);
    }

    [Fact]
    public void A_missing_key_is_false_for_TryGet_and_an_error_for_Get()
    {
        GgufMetadata metadata = Metadata(new GgufWriter());

        Assert.False(metadata.TryGetString("a.key", out _));
        Assert.False(metadata.TryGetInt32("a.key", out _));
        Assert.False(metadata.TryGetSingle("a.key", out _));
        Assert.False(metadata.TryGetBoolean("a.key", out _));
        Assert.False(metadata.TryGetStringArray("a.key", out _));
        ModelFileException exception = Assert.Throws<ModelFileException>(() => metadata.GetUInt32("a.key"));
        Assert.Equal("a.key", exception.Field);
        Assert.Null(exception.Offset);
    }

    [Fact]
    public void A_value_of_another_type_or_range_is_an_error_that_says_where()
    {
        GgufMetadata metadata = Metadata(new GgufWriter()
            .Add("text", "7").Add("negative", -1).Add("large", 1L << 40).Add("wide", new[] { 1L << 40 }).Add("uints", new[] { uint.MaxValue }));

        ModelFileException exception = Assert.Throws<ModelFileException>(() => metadata.GetUInt32("text"));
        Assert.Equal("text", exception.Field);
        Assert.Equal(24 + 8 + 4, exception.Offset);
        Assert.Throws<ModelFileException>(() => metadata.TryGetUInt32("text", out _));
        Assert.Throws<ModelFileException>(() => metadata.GetUInt32("negative"));
        Assert.Throws<ModelFileException>(() => metadata.GetUInt64("negative"));
        Assert.Throws<ModelFileException>(() => metadata.GetInt32("large"));
        Assert.Throws<ModelFileException>(() => metadata.GetString("large"));
        Assert.Throws<ModelFileException>(() => metadata.GetSingle("large"));
        Assert.Throws<ModelFileException>(() => metadata.GetBoolean("large"));
        Assert.Throws<ModelFileException>(() => metadata.GetInt32("uints"));
        Assert.Throws<ModelFileException>(() => metadata.GetInt32Array("large"));
        Assert.Throws<ModelFileException>(() => metadata.GetInt32Array("wide"));
        Assert.Throws<ModelFileException>(() => metadata.GetInt32Array("uints")); // to the runtime, an array of uint is one of int too
        Assert.Throws<ModelFileException>(() => metadata.GetSingleArray("uints"));
        Assert.Throws<ModelFileException>(() => metadata.GetStringArray("uints"));
    }

    [Fact]
    public void Arrays_within_arrays_are_read_to_a_bounded_depth()
    {
        Assert.True(Metadata(new GgufWriter().Add("deep", Nested(4)).Add("after", 5)).TryGetInt32("after", out int after));
        Assert.Equal(5, after);
        Assert.Equal("deep[0]", Assert.Throws<ModelFileException>(() => Metadata(new GgufWriter().Add("deep", Nested(5)))).Field);

        // Deep enough to end the process, were the depth not bounded: each level is the type 9 and the count 1.
        byte[] level = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        byte[] file = new GgufWriter().Add("deep", Array.Empty<int>()).ToArray();
        byte[] deep = [.. file[..^12], .. Enumerable.Repeat(level, 500_000).SelectMany(bytes => bytes)];
        Assert.Throws<ModelFileException>(() => GgufFile.Open(deep));
    }

    private static object Nested(int depth)
    {
        object value = new[] { 1 };
        for (int level = 1; level < depth; level++)
        {
            value = new[] { value };
        }

        return value;
    }

    private static GgufMetadata Metadata(GgufWriter writer)
    {
        using GgufFile file = GgufFile.Open(writer.ToArray());
        return file.Metadata;
    }
}
