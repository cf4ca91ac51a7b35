using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Gguf;

/// <summary>One damage at a time, each with the error that it must give.</summary>
public sealed class GgufHostileTests
{
    private static readonly GgufImage s_image = new GgufWriter()
        .Add("general.name", "x")
        .Add("list", new[] { "one", "two" })
        .Add("wide", 1ul)
        .AddTensor("t", WeightFormat.Q8_0, new float[64 * 3], 64, 3)
        .AddTensor("u", WeightFormat.F32, [1f, 2f], 2)
        .Build();

    public static TheoryData<string, ulong> NearTheEnd()
    {
        TheoryData<string, ulong> data = [];
        string[] fields =
        [
            "header.tensor_count", "header.metadata_count", "general.name.key.length", "general.name.length", "list.count", "list[1].length",
            "t.name.length", "t.dimensions[0]", "t.dimensions[1]", "u.dimensions[0]", "t.offset", "u.offset",
        ];
        foreach (string field in fields)
        {
            foreach (ulong value in new[] { ulong.MaxValue, ulong.MaxValue - 31, 1ul << 63, (1ul << 63) - 32, 1ul << 62, 1ul << 61, 1ul << 32, 1ul << 31, (ulong)s_image.Length })
            {
                data.Add(field, value);
            }
        }

        return data;
    }

    [Fact]
    public void Cut_short_at_any_byte_it_is_refused()
    {
        byte[] whole = s_image.ToArray();
        GgufFile.Open(whole).Dispose();

        for (int length = 0; length < whole.Length; length++)
        {
            Assert.Throws<ModelFileException>(() => GgufFile.Open(whole.AsMemory(0, length)));
        }
    }

    [Theory]
    [MemberData(nameof(NearTheEnd))]
    public void Sizes_that_the_file_cannot_hold_are_refused(string field, ulong value)
    {
        byte[] damaged = s_image.With(field, value);
        long before = GC.GetAllocatedBytesForCurrentThread();

        ModelFileException exception = Assert.Throws<ModelFileException>(() => GgufFile.Open(damaged));

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 100_000);
        Assert.NotNull(exception.Offset);
        Assert.NotEmpty(exception.Field);
    }

    [Theory]
    [InlineData("header.magic", 0x46554748, "header.magic", 0)]
    [InlineData("header.version", 0, "header.version", 4)]
    [InlineData("header.version", 1, "header.version", 4)]
    [InlineData("header.version", 4, "header.version", 4)]
    [InlineData("general.name.type", 13, "general.name.type", 44)]
    [InlineData("list.element_type", 99, "list.type", -1)]
    [InlineData("t.n_dimensions", 0, "t.n_dimensions", -1)]
    [InlineData("t.n_dimensions", 5, "t.n_dimensions", -1)]
    [InlineData("t.dimensions[0]", 0, "t.dimensions", -1)]
    [InlineData("t.dimensions[0]", 65, "t.dimensions", -1)]
    [InlineData("t.type", 1234, "t.type", -1)]
    [InlineData("t.offset", 1, "t.offset", -1)]
    [InlineData("u.offset", 32, "u.offset", -1)]
    [InlineData("general.name.key.length", 0, "metadata[0].key", 24)]
    public void A_wrong_number_is_named_with_its_place(string damage, ulong value, string field, long offset)
    {
        ModelFileException exception = Assert.Throws<ModelFileException>(() => GgufFile.Open(s_image.With(damage, value), "name.gguf"));

        Assert.Equal(field, exception.Field);
        Assert.Equal("name.gguf", exception.File);
        if (offset >= 0)
        {
            Assert.Equal(offset, exception.Offset);
        }
    }

    [Theory]
    [InlineData("header.magic", 0x47475546)]
    [InlineData("header.version", 0x03000000)]
    public void A_big_endian_file_is_called_that(string field, ulong value)
    {
        Assert.Contains("big-endian", Assert.Throws<ModelFileException>(() => GgufFile.Open(s_image.With(field, value))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(24u)]
    [InlineData(uint.MaxValue)]
    [InlineData(1u << 31)]
    public void Alignments_other_than_powers_of_two_from_8_are_refused(uint alignment)
    {
        byte[] file = new GgufWriter().Add("general.alignment", alignment).AddTensor("t", WeightFormat.F32, [1f], 1).ToArray();

        Assert.Throws<ModelFileException>(() => GgufFile.Open(file));
    }

    [Fact]
    public void An_alignment_that_is_no_integer_is_refused()
    {
        Assert.Equal("general.alignment", Assert.Throws<ModelFileException>(() => GgufFile.Open(new GgufWriter().Add("general.alignment", "32").ToArray())).Field);
    }

    [Fact]
    public void Names_are_given_once()
    {
        byte[] keys = new GgufWriter().Add("k", 1).Add("k", 2).ToArray();
        byte[] tensors = new GgufWriter().AddTensor("t", WeightFormat.F32, [1f], 1).AddTensor("t", WeightFormat.F32, [1f], 1).ToArray();

        Assert.Equal("k", Assert.Throws<ModelFileException>(() => GgufFile.Open(keys)).Field);
        Assert.Equal("t.name", Assert.Throws<ModelFileException>(() => GgufFile.Open(tensors)).Field);
    }

    [Fact]
    public void Strings_must_be_UTF8()
    {
        byte[] file = s_image.ToArray();
        int text = s_image.Fields.Single(field => field.Name == "list[1].length").Offset + 8;
        file[text + 1] = 0xC0;

        ModelFileException exception = Assert.Throws<ModelFileException>(() => GgufFile.Open(file));

        Assert.Equal("list[1]", exception.Field);
        Assert.Equal(text, exception.Offset);
    }

    [Fact]
    public void Booleans_are_0_or_1()
    {
        byte[] file = new GgufWriter().Add("flag", true).ToArray();
        file[^1] = 2;

        Assert.Equal("flag", Assert.Throws<ModelFileException>(() => GgufFile.Open(file)).Field);
    }

    [Fact]
    public void Tensors_may_lie_in_any_order_but_not_upon_each_other()
    {
        GgufImage image = new GgufWriter().AddTensor("a", WeightFormat.F32, new float[8], 8).AddTensor("b", WeightFormat.F32, new float[8], 8).Build();
        byte[] swapped = image.With("a.offset", 32);
        GgufImage.Patch(swapped, image.Fields.Single(field => field.Name == "b.offset"), 0);

        using GgufFile file = GgufFile.Open(swapped);

        Assert.True(file.RequireTensor("a").FileOffset > file.RequireTensor("b").FileOffset);
        Assert.Throws<ModelFileException>(() => GgufFile.Open(image.With("a.offset", 32)));
    }

    [Fact]
    public void Messages_carry_no_control_characters_and_no_endless_names()
    {
        byte[] file = new GgufWriter().Add(new string('\u001b', 5000), true).ToArray();
        file[^1] = 7;

        string message = Assert.Throws<ModelFileException>(() => GgufFile.Open(file)).Message;

        Assert.InRange(message.Length, 1, 800);
        Assert.DoesNotContain('\u001b', message);
    }
}
