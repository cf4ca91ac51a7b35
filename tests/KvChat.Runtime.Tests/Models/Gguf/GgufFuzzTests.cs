using System.Globalization;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Gguf;

/// <summary>Mutated files, the same in every run: each opens or is refused with <see cref="ModelFileException"/>, and costs no more memory than its size justifies.</summary>
public sealed class GgufFuzzTests
{
    private const int Files = 100_000;

    // The largest factor is that of one-letter strings: 9 bytes of file become 8 of reference and 24 of object.
    private const int MostBytesPerByte = 16;
    private const int MostBytesBesides = 64 * 1024;

    private static readonly ulong[] s_attacks =
    [
        0, 1, 2, 7, 31, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x1000_0000_0000_0000, 0x2000_0000_0000_0001,
        0x4000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFE0, ulong.MaxValue,
    ];

    private static readonly GgufImage[] s_seeds = [Small(3, 32), Small(2, 8), Strings()];

    [Fact]
    public void Mutated_files_open_or_are_refused()
    {
        byte[][] seeds = [.. s_seeds.Select(seed => seed.ToArray())];
        int opened = 0;
        for (int number = 0; number < Files; number++)
        {
            Random random = new(number);
            int seed = random.Next(seeds.Length);
            byte[] file = Mutate(random, seeds, seed);
            opened += Open(file, number) ? 1 : 0;
        }

        // Both ends are exercised: mutations of weights and values leave a file good.
        Assert.InRange(opened, Files / 100, Files * 9 / 10);
    }

    [Fact]
    public void Mutated_files_on_disk_open_or_are_refused()
    {
        byte[][] seeds = [.. s_seeds.Select(seed => seed.ToArray())];
        string path = Path.GetTempFileName();
        try
        {
            for (int number = 0; number < 300; number++)
            {
                Random random = new(-1 - number);
                File.WriteAllBytes(path, Mutate(random, seeds, random.Next(seeds.Length)));
                try
                {
                    using GgufFile file = GgufFile.Open(path);
                    Touch(file, new FileInfo(path).Length);
                }
                catch (ModelFileException exception)
                {
                    Assert.NotEmpty(exception.Field);
                }
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static bool Open(byte[] bytes, int number)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        GgufFile? file = null;
        try
        {
            file = GgufFile.Open(bytes);
        }
        catch (ModelFileException exception) when (exception.Field.Length > 0)
        {
        }
        catch (Exception exception)
        {
            Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"File {number}: {exception}"));
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= MostBytesBesides + ((long)MostBytesPerByte * bytes.Length), $"File {number}: {bytes.Length} bytes took {allocated}.");
        using (file)
        {
            if (file is not null)
            {
                Touch(file, bytes.Length);
            }
        }

        return file is not null;
    }

    /// <summary>Reads all that the file offers.</summary>
    private static unsafe void Touch(GgufFile file, long length)
    {
        long end = 24;
        foreach (GgufTensor tensor in file.Tensors.Values.OrderBy(tensor => tensor.FileOffset))
        {
            Assert.True(tensor.FileOffset >= end, $"'{tensor.Name}' lies upon another tensor.");
            end = tensor.FileOffset + tensor.ByteLength;
            Assert.InRange(tensor.FileOffset, 24, length);
            Assert.InRange(tensor.ByteLength, 1, length - tensor.FileOffset);
            Assert.Equal(WeightFormats.RowBytes(tensor.Format, tensor.Columns) * tensor.Rows, tensor.ByteLength);
            _ = tensor.Data[0] + tensor.Data[tensor.ByteLength - 1];
        }

        Action<string>[] getters =
        [
            key => file.Metadata.TryGetInt32(key, out _),
            key => file.Metadata.TryGetString(key, out _),
            key => file.Metadata.TryGetSingle(key, out _),
            key => file.Metadata.TryGetStringArray(key, out _),
            key => file.Metadata.TryGetInt32Array(key, out _),
        ];
        string first = file.Metadata.Keys.FirstOrDefault("none");
        foreach (Action<string> get in getters)
        {
            try
            {
                get(first);
            }
            catch (ModelFileException)
            {
                // of another type
            }
        }
    }

    private static byte[] Mutate(Random random, byte[][] seeds, int seed)
    {
        byte[] file = (byte[])seeds[seed].Clone();
        int rounds = random.Next(1, 4);
        for (int round = 0; round < rounds && file.Length > 0; round++)
        {
            file = MutateOnce(random, file, seeds[random.Next(seeds.Length)], s_seeds[seed].Fields);
        }

        return file;
    }

    private static byte[] MutateOnce(Random random, byte[] file, byte[] other, IReadOnlyList<GgufField> fields)
    {
        int at = random.Next(file.Length);
        int length = random.Next(1, 1 + Math.Min(64, file.Length - at));
        switch (random.Next(8))
        {
            case 0: // one bit
                file[at] ^= (byte)(1 << random.Next(8));
                return file;
            case 1: // a run of one byte
                file.AsSpan(at, length).Fill(random.Next(2) == 0 ? (byte)0xFF : (byte)random.Next(256));
                return file;
            case 2: // a run of noise
                random.NextBytes(file.AsSpan(at, length));
                return file;
            case 3:
                return file[..at];
            case 4: // bytes taken out
                return [.. file[..at], .. file[(at + length)..]];
            case 5: // bytes of another file put in
                int from = random.Next(other.Length);
                return [.. file[..at], .. other.AsSpan(from, Math.Min(length, other.Length - from)), .. file[at..]];
            default: // a number that matters, made extreme or changed a little
                GgufField field = fields[random.Next(fields.Count)];
                if (field.Offset + field.Width <= file.Length)
                {
                    ulong old = field.Width == 8 ? BitConverter.ToUInt64(file, field.Offset) : BitConverter.ToUInt32(file, field.Offset);
                    ulong value = random.Next(3) == 0 ? old + (ulong)random.Next(-40, 41) : s_attacks[random.Next(s_attacks.Length)];
                    GgufImage.Patch(file, field, value);
                }

                return file;
        }
    }

    private static GgufImage Small(uint version, uint alignment) => new GgufWriter { Version = version, Alignment = alignment }
        .Add("general.architecture", "llama").Add("general.name", "Größe")
        .Add("llama.block_count", 1u).Add("llama.rope.freq_base", 10000f).Add("wide", 1ul << 40).Add("flag", true)
        .Add("tokenizer.ggml.tokens", new[] { "a", "b", "ab", "" }).Add("tokenizer.ggml.token_type", new[] { 1, 1, 1, 3 })
        .Add("scores", new[] { 0.5f, 1f }).Add("flags", new[] { true, false }).Add("nested", new object[] { new[] { 1 }, new[] { "x" } })
        .AddTensor("token_embd.weight", WeightFormat.Q8_0, new float[32 * 4], 32, 4)
        .AddTensor("blk.0.attn_norm.weight", WeightFormat.F32, new float[32], 32)
        .AddTensor("blk.0.attn_q.weight", WeightFormat.Q4_K, new byte[144 * 2], 256, 2)
        .AddTensor("cube", WeightFormat.F16, new float[2 * 3 * 2], 2, 3, 2)
        .AddTensor("odd", 16, new byte[66], 256)
        .Build();

    private static GgufImage Strings() => new GgufWriter()
        .Add("tokens", Enumerable.Range(0, 150).Select(i => ((char)('a' + (i % 26))).ToString()).ToArray())
        .Add("empty", Enumerable.Repeat("", 150).ToArray())
        .Add("nested", Enumerable.Repeat<object>(Array.Empty<byte>(), 100).ToArray())
        .Build();
}
