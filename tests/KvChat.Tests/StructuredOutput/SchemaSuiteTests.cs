using System.Text;
using System.Text.Json;
using KvChat.StructuredOutput;
using KvChat.TestSupport;
using Xunit.Abstractions;

namespace KvChat.Tests.StructuredOutput;

/// <summary>The JSON Schema Test Suite, draft 2020-12: what compiles is exact.</summary>
public sealed class SchemaSuiteTests(ITestOutputHelper output)
{
    private const string Folder = "golden/json-schema/draft2020-12";

    [SharedTheory(Folder)]
    [InlineData(false)]
    [InlineData(true)]
    public void Schemas_that_compile_accept_valid_instances_and_no_invalid_one(bool anyOrder)
    {
        // The suite counts 1.0 among the integers and asks for leap seconds, which readers of answers mostly refuse.
        var compiler = new ConstraintCompiler(new() { IntegersWithPoint = true, LeapSeconds = true, PropertyOrder = anyOrder ? PropertyOrder.Any : PropertyOrder.Schema });
        var wrong = new List<string>();
        int required = 0, requiredCompiled = 0, all = 0, compiled = 0;
        foreach ((string file, JsonElement group) in Groups())
        {
            bool isOptional = file.StartsWith("optional", StringComparison.Ordinal);
            all++;
            required += isOptional ? 0 : 1;
            Constraint constraint;
            try
            {
                constraint = compiler.FromJsonSchema(group.GetProperty("schema"));
            }
            catch (SchemaNotSupportedException e)
            {
                output.WriteLine($"{file}: {group.GetProperty("description")}: {e.Message}");
                Assert.NotEmpty(e.Keyword);
                continue;
            }
            catch (ConstraintSyntaxException e)
            {
                output.WriteLine($"{file}: {group.GetProperty("description")}: SYNTAX {e.Message}");
                Assert.NotEmpty(e.Position);
                continue;
            }

            compiled++;
            requiredCompiled += isOptional ? 0 : 1;
            Check(file, group, constraint, wrong);
        }

        output.WriteLine($"compiled {requiredCompiled} of {required}, with optional ones {compiled} of {all}");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(requiredCompiled >= required * 0.8, $"{requiredCompiled} of {required} schemas compile");
    }

    private static void Check(string file, JsonElement group, Constraint constraint, List<string> wrong)
    {
        JsonElement schema = group.GetProperty("schema");
        foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
        {
            string description = test.GetProperty("description").GetString()!;
            bool valid = test.GetProperty("valid").GetBoolean();
            foreach ((bool spaces, bool ascii) in ((bool, bool)[])[(false, false), (true, true)])
            {
                byte[] document = Documents.Write(schema, test.GetProperty("data"), spaces, ascii);
                // Whether such a label is valid says a table of IDNA; an automaton offers none of them.
                bool isPunycode = valid && group.GetProperty("description").GetString()!.Contains("punycode", StringComparison.Ordinal);
                if (Documents.Accepts(constraint, document) != (valid && !isPunycode))
                    wrong.Add($"{file}: {group.GetProperty("description")}: {description}: {(valid ? "valid, but refused" : "INVALID, BUT ACCEPTED")}: {Encoding.UTF8.GetString(document)}");
            }
        }
    }

    private static IEnumerable<(string File, JsonElement Group)> Groups()
    {
        string root = SharedFiles.PathOf(Folder);
        foreach (string path in Directory.EnumerateFiles(root, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string file = Path.GetRelativePath(root, path);
            // It says that formats are not asserted, and here they are.
            if (file is "format.json")
                continue;
            foreach (JsonElement group in JsonDocument.Parse(File.ReadAllBytes(path)).RootElement.EnumerateArray())
                yield return (file, group);
        }
    }
}
