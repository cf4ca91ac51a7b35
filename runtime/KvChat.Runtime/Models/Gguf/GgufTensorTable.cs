using KvChat.Kernels.Quantization;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>Reads the table of tensors and proves that each one's data lies within the file and apart from the others'.</summary>
internal static class GgufTensorTable
{
    /// <summary>One line of the table. The offset counts from the start of the data section.</summary>
    private readonly record struct Line(string Name, long[] Dimensions, uint Type, WeightFormat? Format, ulong Offset, ulong ByteLength, long TypeAt, long OffsetAt);

    public static (List<GgufTensor> Tensors, List<GgufUnsupportedTensor> Unsupported) Read(ref GgufReader reader, ModelBytes bytes, int count, uint alignment)
    {
        List<Line> lines = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        for (int index = 0; index < count; index++)
        {
            reader.Enter("tensors", index);
            Line line = ReadLine(ref reader, alignment);
            if (!names.Add(line.Name))
            {
                throw reader.Fail("name", line.TypeAt, "is the name of a second tensor; names are given once");
            }

            lines.Add(line);
        }

        // Positions are below 2^63 and alignments at most 2^31: no overflow.
        ulong dataStart = ((ulong)reader.Position + alignment - 1) & ~((ulong)alignment - 1);
        CheckPlaces(ref reader, lines, dataStart, (ulong)bytes.Length);

        List<GgufTensor> tensors = [];
        List<GgufUnsupportedTensor> unsupported = [];
        foreach (Line line in lines)
        {
            if (line.Format is { } format)
            {
                tensors.Add(new GgufTensor(bytes, line.Name, format, line.Dimensions, (long)(dataStart + line.Offset), (long)line.ByteLength));
            }
            else
            {
                unsupported.Add(new GgufUnsupportedTensor(line.Name, line.Type, line.TypeAt));
            }
        }

        return (tensors, unsupported);
    }

    private static Line ReadLine(ref GgufReader reader, uint alignment)
    {
        long at = reader.Position;
        string name = reader.ReadString("name", GgufFormat.LongestName);
        if (name.Length == 0)
        {
            throw reader.Fail("name", at, "is empty; a tensor has a name");
        }

        reader.Enter(name);
        long dimensionsAt = reader.Position;
        long[] dimensions = ReadDimensions(ref reader);
        long typeAt = reader.Position;
        uint type = reader.Read<uint>("type");
        WeightFormat? format = WeightFormats.TryFromGgml(type, out WeightFormat known) ? known : null;
        if (format is null && !WeightFormats.TryGetGgmlName(type, out _))
        {
            throw reader.Fail("type", typeAt, $"is {type}, which is not the number of a ggml type");
        }

        // Where the layout of a type is not known, its first byte stands for the rest; nobody gets to read it.
        ulong byteLength = format is null ? 1 : ByteLength(ref reader, format.Value, dimensions, dimensionsAt);
        long offsetAt = reader.Position;
        ulong offset = reader.Read<ulong>("offset");
        if (offset % alignment != 0)
        {
            throw reader.Fail("offset", offsetAt, $"is {offset}; it must be a multiple of the alignment {alignment}");
        }

        return new Line(name, dimensions, type, format, offset, byteLength, typeAt, offsetAt);
    }

    /// <summary>Each size is at least 1; columns and the product of the others fit in 31 bits, so that no later product of them overflows.</summary>
    private static long[] ReadDimensions(ref GgufReader reader)
    {
        long countAt = reader.Position;
        uint count = reader.Read<uint>("n_dimensions");
        if (count is < 1 or > GgufFormat.MostDimensions)
        {
            throw reader.Fail("n_dimensions", countAt, $"is {count}; a tensor has 1 to {GgufFormat.MostDimensions} dimensions");
        }

        long[] dimensions = new long[count];
        long rows = 1;
        for (int index = 0; index < dimensions.Length; index++)
        {
            ulong size = reader.Read<ulong>("dimensions");
            if (size is < 1 or > int.MaxValue)
            {
                throw reader.Fail("dimensions", reader.Position - 8, $"has size {size} as number {index}; a size is 1 to {int.MaxValue}");
            }

            dimensions[index] = (long)size;
            rows *= index == 0 ? 1 : (long)size;
            if (rows > int.MaxValue)
            {
                throw reader.Fail("dimensions", reader.Position - 8, $"make {rows} rows; at most {int.MaxValue} are supported");
            }
        }

        return dimensions;
    }

    private static ulong ByteLength(ref GgufReader reader, WeightFormat format, long[] dimensions, long dimensionsAt)
    {
        int block = WeightFormats.BlockSize(format);
        if (dimensions[0] % block != 0)
        {
            throw reader.Fail("dimensions", dimensionsAt, $"make rows of {dimensions[0]} weights; {WeightFormats.Name(format)} needs a multiple of {block}");
        }

        // Below 2^31 columns of at most 4 bytes and below 2^31 rows: below 2^64.
        ulong bytes = (ulong)WeightFormats.RowBytes(format, dimensions[0]);
        foreach (long size in dimensions.AsSpan(1))
        {
            bytes *= (ulong)size;
        }

        return bytes;
    }

    private static void CheckPlaces(ref GgufReader reader, List<Line> lines, ulong dataStart, ulong fileLength)
    {
        ulong room = dataStart <= fileLength ? fileLength - dataStart : 0;
        foreach (Line line in lines)
        {
            if (line.Offset > room || line.ByteLength > room - line.Offset)
            {
                reader.Enter(line.Name);
                throw reader.Fail(
                    "offset", line.OffsetAt, $"is {line.Offset} with {line.ByteLength} bytes of data, but the data section has {room} bytes: the file is cut short or damaged");
            }
        }

        Line[] ordered = [.. lines.OrderBy(line => line.Offset)];
        for (int index = 1; index < ordered.Length; index++)
        {
            Line before = ordered[index - 1];
            if (ordered[index].Offset < before.Offset + before.ByteLength)
            {
                reader.Enter(ordered[index].Name);
                throw reader.Fail(
                    "offset",
                    ordered[index].OffsetAt,
                    $"is {ordered[index].Offset}, within the data of '{ModelFileException.Printable(before.Name)}' that ends at {before.Offset + before.ByteLength}");
            }
        }
    }
}
