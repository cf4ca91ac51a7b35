using System.Text;
using System.Text.Json.Nodes;
using KvChat.Kernels;
using KvChat.Quality;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;

namespace KvChat.Tests.Quality;

/// <summary>Tables of measured quality come from outside: nothing of them is believed.</summary>
public sealed class QualityTableFileTests : IDisposable
{
    private const string Table = """
        {"version":1,"model":"M","measured":"today","rows":[
          {"set":"a","tokens":4000,"policy":"kv-compress","retained":0.125,"format":"k8v4","low_format":"k4v2","query":"known","schedule":"during","asked":60,"of_full":0.98,"bytes_of_full":0.05}]}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-quality").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_table_is_read_and_comes_back_as_it_was_written()
    {
        QualityTable table = QualityTableFile.Parse(Encoding.UTF8.GetBytes(Table), "t");
        Assert.Equal(("M", "today"), (table.Model, table.Measured));
        var row = new QualityRow("a", 4000, "kv-compress", 0.125, KvFormat.K8V4, KvFormat.K4V2, QualityQuery.Known, CompressionSchedule.WhileReading, 60, 0.98, 0.05);
        Assert.Equal([row], table.Rows);
        string path = Path.Combine(_folder, "t.kvquality.json");
        QualityTableFile.Write(path, table);
        Assert.Equal([row], QualityTableFile.Read(path, "M")!.Rows);
        Assert.Null(QualityTableFile.Read(path + ".other", "M"));
    }

    [Theory]
    [InlineData("version", "2", "version is 2; it must be 1")]
    [InlineData("model", "7", "model is 7; it must be a text")]
    [InlineData("rows", "null", "rows is null; it must be a list")]
    [InlineData("rows.retained", "1.5", "rows[0].retained is 1.5; it must be above 0 and at most 1")]
    [InlineData("rows.retained", "-0", "rows[0].retained is -0")]
    [InlineData("rows.retained", "1e999", "rows[0].retained is 1e999")]
    [InlineData("rows.policy", "\"magic\"", "rows[0].policy is \"magic\"; it must be one of: off, kv-compress")]
    [InlineData("rows.policy", "\"off\"", "rows[0].retained is 0.125; it must be 1 where the policy is \"off\"")]
    [InlineData("rows.format", "\"0\"", "rows[0].format is \"0\"; it must be one of: f16")]
    [InlineData("rows.low_format", "\"f16\"", "rows[0].low_format is \"f16\"; it must be one of: k8v8")]
    [InlineData("rows.query", "\"Known\"", "rows[0].query is \"Known\"; it must be one of: known, unknown, later")]
    [InlineData("rows.schedule", "[]", "rows[0].schedule is []; it must be one of: after, during")]
    [InlineData("rows.asked", "0", "rows[0].asked is 0; it must be a whole number")]
    [InlineData("rows.asked", "99999999999999999999", "rows[0].asked is 99999999999999999999")]
    [InlineData("rows.tokens", "1.5", "rows[0].tokens is 1.5")]
    [InlineData("rows.of_full", "1.01", "rows[0].of_full is 1.01; it must be from 0 to 1")]
    [InlineData("rows.bytes_of_full", "0", "rows[0].bytes_of_full is 0")]
    [InlineData("rows.set", "\"\\ud800\"", "surrogate")]
    [InlineData("rows.unheard", "1", "rows[0].unheard means nothing")]
    [InlineData("unheard", "1", "unheard means nothing")]
    public void A_wrong_field_is_named_with_its_value(string field, string value, string message)
    {
        string json;
        if (value is "1e999" or "-0" or "99999999999999999999" || value.Contains("\\u", StringComparison.Ordinal))
        {
            string own = field.Split('.')[1], before = JsonNode.Parse(Table)!["rows"]![0]![own]!.ToJsonString();
            json = Table.Replace($"\"{own}\":{before}", $"\"{own}\":{value}", StringComparison.Ordinal);
        }
        else
        {
            JsonNode root = JsonNode.Parse(Table)!;
            string[] path = field.Split('.');
            JsonNode holder = path.Length == 1 ? root : root["rows"]![0]!;
            holder[path[^1]] = JsonNode.Parse(value);
            json = root.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        }

        ModelFileException error = Assert.Throws<ModelFileException>(() => QualityTableFile.Parse(Encoding.UTF8.GetBytes(json), "t.json"));
        Assert.StartsWith("t.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_missing_doubled_or_no_table_is_an_error()
    {
        JsonNode root = JsonNode.Parse(Table)!;
        root["rows"]!.AsArray().Add(root["rows"]![0]!.DeepClone());
        Assert.Contains("rows[1]", Error(root.ToJsonString()), StringComparison.Ordinal);
        Assert.Contains("rows[0].asked is missing", Error(Table.Replace("\"asked\":60,", "", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("model stands there twice", Error(Table.Replace("{\"version\"", "{\"model\":\"M\",\"version\"", StringComparison.Ordinal)), StringComparison.Ordinal);
        foreach (string nonsense in (string[])["", "{", "[]", "null", "\0", "{\"rows\":[[[[[[[[[[1]]]]]]]]]]}", Table[..^4], new string('[', 100_000)])
            Assert.NotEmpty(Error(nonsense));
    }

    [Fact]
    public void Any_damage_is_an_error_or_a_table_and_nothing_else()
    {
        byte[] table = Encoding.UTF8.GetBytes(Table);
        var random = new Random(5);
        for (int i = 0; i < 3000; i++)
        {
            byte[] damaged = [.. table];
            for (int n = random.Next(1, 4); n > 0; n--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                Assert.Single(QualityTableFile.Parse(damaged, "t").Rows);
            }
            catch (ModelFileException error)
            {
                Assert.NotEmpty(error.Field);
            }
        }
    }

    [Fact]
    public void A_file_without_end_or_of_another_model_is_refused()
    {
        string path = Path.Combine(_folder, "t.kvquality.json");
        File.WriteAllText(path, Table);
        string message = Assert.Throws<ModelFileException>(() => QualityTableFile.Read(path, "N")).Message;
        Assert.Contains("model is \"M\"; it must be \"N\"", message, StringComparison.Ordinal);
        File.WriteAllText(path, new string(' ', 1 << 21));
        Assert.Contains("1048576", Assert.Throws<ModelFileException>(() => QualityTableFile.Read(path, "M")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a/model.Q4_K_M.gguf", "a/model.Q4_K_M.kvquality.json")]
    [InlineData("a/sha256-12.ab", "a/sha256-12.ab.kvquality.json")]
    [InlineData("a/config.json", "a/model.kvquality.json")]
    public void It_lies_beside_the_model(string model, string table) =>
        Assert.Equal(table, QualityTableFile.PathFor(model).Replace('\\', '/'));

    private static string Error(string json) => Assert.Throws<ModelFileException>(() => QualityTableFile.Parse(Encoding.UTF8.GetBytes(json), "t")).Message;
}
