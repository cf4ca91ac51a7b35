using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;
using Xunit.Abstractions;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Answers under a thousand random schemas, judged by a validator that shares nothing with ours.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class IndependentValidationTests(EmbeddedClient shared, ITestOutputHelper output)
{
    private const int Wanted = 1_000;

    private const int WantedOfNoise = 300;

    private const int AtOnce = 24;

    private const float Temperature = 1.5f;

    /// <summary>What random logits of a spread of 8 become at the temperature.</summary>
    private static readonly double[] Weights = [.. Enumerable.Range(0, 4096).Select(i => Math.Exp(new Random(i).NextSingle() * 8 / Temperature))];

    /// <summary>One process for all: reads lines of schema and text, answers with what is wrong.</summary>
    private const string Judge = """
        import json, sys, jsonschema
        kind = jsonschema.Draft202012Validator
        checker = getattr(kind, "FORMAT_CHECKER", None) or jsonschema.FormatChecker()
        for number, line in enumerate(sys.stdin):
            case = json.loads(line)
            try:
                value = json.loads(case["text"])
                errors = [e.message for e in kind(case["schema"], format_checker=checker).iter_errors(value)]
            except Exception as e:
                errors = [repr(e)]
            if errors:
                print(number, errors[0][:300].encode("ascii", "replace").decode())
        print("judged", number + 1)
        """;

    [PythonFact]
    public async Task Answers_of_the_client_at_a_high_temperature_are_valid()
    {
        (JsonElement Schema, Constraint Constraint, int Seed)[] asked = [.. Compiled(PropertyOrder.Schema).Take(Wanted)];
        var texts = new string[Wanted];
        await Parallel.ForAsync(0, Wanted, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, token) =>
        {
            var options = new ChatOptions
            {
                ResponseFormat = ChatResponseFormat.ForJsonSchema(asked[i].Schema),
                Temperature = Temperature,
                Seed = asked[i].Seed,
                MaxOutputTokens = (int)asked[i].Constraint.ShortestDocument + (asked[i].Seed % 40),
            };
            texts[i] = (await shared.Client.GetResponseAsync([new ChatMessage(ChatRole.User, "What is it?")], options, token)).Text;
        });
        Judged([.. asked.Zip(texts, (a, text) => (a.Schema, text))]);
    }

    [PythonFact]
    public void Answers_drawn_from_noise_with_properties_in_any_order_are_valid() =>
        Judged([.. Compiled(PropertyOrder.Any).Take(WantedOfNoise).Select(c => (c.Schema, Draw(c.Constraint, new Random(c.Seed))))]);

    private static IEnumerable<(JsonElement Schema, Constraint Constraint, int Seed)> Compiled(PropertyOrder order)
    {
        int refused = 0;
        for (int seed = 0; ; seed++)
        {
            JsonElement schema = new WideSchemaGenerator(seed).Next();
            if (TryCompile(schema, order) is { } constraint)
                yield return (schema, constraint, seed);
            else
                Assert.True(++refused < 30 + (seed / 4), $"{refused} of {seed + 1} schemas were refused");
        }
    }

    private void Judged(IReadOnlyList<(JsonElement Schema, string Text)> cases)
    {
        output.WriteLine($"{cases.Count} answers, {cases.Sum(c => c.Text.Length)} characters in all");
        string[] verdict = Ask(cases);
        IEnumerable<string> wrong = verdict[..^1].Select(line => (Line: line, Case: cases[int.Parse(line.Split(' ')[0], CultureInfo.InvariantCulture)]))
            .Select(w => $"{w.Line}\n  schema {w.Case.Schema}\n  text {w.Case.Text}");
        Assert.True(verdict.Length == 1, string.Join('\n', wrong.Take(5)));
        Assert.Equal($"judged {cases.Count}", verdict[^1]);
    }

    [PythonFact]
    public void The_judge_finds_what_is_wrong()
    {
        JsonElement schema = JsonDocument.Parse("""{"type":"object","properties":{"a":{"type":"integer","minimum":3},"d":{"format":"date"}}}""").RootElement;
        string[] verdict = Ask([(schema, """{"a":3}"""), (schema, """{"a":2}"""), (schema, """{"a":"""), (schema, """{"d":"2024-02-30"}""")]);
        Assert.Equal(["1", "2", "3", "judged"], verdict.Select(v => v.Split(' ')[0]));
    }

    private static Constraint? TryCompile(JsonElement schema, PropertyOrder order)
    {
        try
        {
            return new ConstraintCompiler(new ConstraintOptions { PropertyOrder = order }).FromJsonSchema(schema);
        }
        catch (SchemaNotSupportedException)
        {
            return null;
        }
    }

    /// <summary>Draws from random logits under the masks, as a model would that knows nothing, and ends in time.</summary>
    private static string Draw(Constraint constraint, Random random)
    {
        Tokenizer tokenizer = EmbeddedVocabulary.Tokenizer;
        int maxTokens = (int)constraint.ShortestDocument + random.Next(120);
        var holder = new TokenConstraint(EmbeddedVocabulary.Masker, tokenizer, constraint, maxTokens);
        var logits = new float[tokenizer.VocabularySize];
        using var text = new MemoryStream();
        for (int step = 0; step < maxTokens; step++)
        {
            Array.Clear(logits);
            Assert.True(holder.Apply(logits));
            int token = Sample(logits, random);
            holder.Accept(token);
            if (tokenizer.EndOfGenerationIds.Contains(token))
                return Encoding.UTF8.GetString(text.ToArray());
            text.Write(tokenizer.BytesOf(token));
        }

        Assert.True(holder.IsComplete, $"cut off after {maxTokens} tokens: {Encoding.UTF8.GetString(text.ToArray())}");
        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>One of the tokens that are allowed, by weights that are the same list read from a new place each time.</summary>
    private static int Sample(float[] logits, Random random)
    {
        int shift = random.Next(logits.Length);
        double total = 0;
        for (int i = 0; i < logits.Length; i++)
            total += logits[i] == 0 ? Weights[(i + shift) % Weights.Length] : 0;
        double left = random.NextDouble() * total;
        int last = -1;
        for (int i = 0; i < logits.Length && left >= 0; i++)
        {
            if (logits[i] != 0)
                continue;
            last = i;
            left -= Weights[(i + shift) % Weights.Length];
        }

        return last;
    }

    private static string[] Ask(IReadOnlyCollection<(JsonElement Schema, string Text)> cases)
    {
        var start = new ProcessStartInfo(PythonFactAttribute.Interpreter, ["-c", Judge])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
        };
        start.Environment["PYTHONUTF8"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> answers = process.StandardOutput.ReadToEndAsync();
        foreach ((JsonElement schema, string text) in cases)
            process.StandardInput.WriteLine($$"""{"schema":{{JsonSerializer.Serialize(schema)}},"text":{{JsonSerializer.Serialize(text)}}}""");
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return answers.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
