using System.Diagnostics;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Evaluation.Schemas;

/// <summary>Compiles schemas and follows their instances token by token, as an answer under the schema would go. Safe for concurrent use.</summary>
internal sealed class SchemaRunner(Tokenizer tokenizer, TokenMasker masker, ConstraintOptions options, TimeSpan limit)
{
    private static readonly JsonDocumentOptions s_deep = new() { MaxDepth = 1_000 };

    /// <summary>One schema; where it takes longer than the limit it is left to itself, and the process ends without it.</summary>
    public SchemaOutcome Run(string path)
    {
        string file = Path.GetFileName(path);
        SchemaOutcome? outcome = null;
        // A deep stack is what servers do not have: the default it is.
        var thread = new Thread(() => outcome = Measure(path, file)) { IsBackground = true };
        thread.Start();
        return thread.Join(limit) ? outcome! : new SchemaOutcome(file, SchemaVerdict.Timeout, $"more than {limit.TotalSeconds} s", null, null, []);
    }

    private SchemaOutcome Measure(string path, string file)
    {
        var masks = new List<double>();
        double? compile = null, first = null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path), s_deep);
            JsonElement schema = document.RootElement.GetProperty("schema");
            long start = Stopwatch.GetTimestamp();
            Constraint constraint = new ConstraintCompiler(options).FromJsonSchema(schema);
            compile = Microseconds(start);
            first = compile + FirstMask(constraint, masks, document.RootElement.GetProperty("tests"), out SchemaVerdict verdict, out string? detail);
            return new SchemaOutcome(file, verdict, detail, first, compile, masks);
        }
        catch (Exception e) when (e is SchemaNotSupportedException or ConstraintSyntaxException)
        {
            return new SchemaOutcome(file, SchemaVerdict.CompileError, e.Message, null, null, []);
        }
#pragma warning disable CA1031 // whatever it is, it is what is counted
        catch (Exception e)
#pragma warning restore CA1031
        {
            return new SchemaOutcome(file, compile is null ? SchemaVerdict.Crash : SchemaVerdict.ValidationError, e.ToString(), first, compile, masks);
        }
    }

    /// <summary>Follows all instances; returns how long the very first mask took, which is made here where there are no instances.</summary>
    private double FirstMask(Constraint constraint, List<double> masks, JsonElement tests, out SchemaVerdict verdict, out string? detail)
    {
        (verdict, detail) = (SchemaVerdict.Passing, null);
        var mask = new ulong[masker.Words];
        int number = 0;
        foreach (JsonElement test in tests.EnumerateArray())
        {
            bool valid = test.GetProperty("valid").GetBoolean();
            byte[] text = PythonJson.Write(test.GetProperty("data"));
            bool accepted = Follow(constraint, text, mask, masks, out int read);
            if (accepted != valid && verdict != SchemaVerdict.InvalidationError)
            {
                verdict = valid ? SchemaVerdict.ValidationError : SchemaVerdict.InvalidationError;
                string all = System.Text.Encoding.UTF8.GetString(text), before = System.Text.Encoding.UTF8.GetString(text.AsSpan(0, read));
                detail = $"instance {number} is {(valid ? "valid, but refused" : "invalid, but accepted")} after {before} of {all}";
            }

            number++;
        }

        if (masks.Count > 0)
            return masks[0];
        long start = Stopwatch.GetTimestamp();
        masker.Fill(constraint.Match(), int.MaxValue, mask);
        return Microseconds(start);
    }

    private bool Follow(Constraint constraint, byte[] text, ulong[] mask, List<double> masks, out int read)
    {
        ConstraintMatcher matcher = constraint.Match();
        read = 0;
        foreach (int id in tokenizer.Encode(System.Text.Encoding.UTF8.GetString(text), allowSpecial: false).Ids)
        {
            long start = Stopwatch.GetTimestamp();
            masker.Fill(matcher, int.MaxValue, mask);
            bool allowed = (mask[id >> 6] >> (id & 63) & 1) == 1 && matcher.TryAdvance(tokenizer.BytesOf(id));
            masks.Add(Microseconds(start));
            if (!allowed)
                return false;
            read += tokenizer.BytesOf(id).Length;
        }

        return matcher.IsComplete;
    }

    private static double Microseconds(long start) => Stopwatch.GetElapsedTime(start).TotalMicroseconds;
}
