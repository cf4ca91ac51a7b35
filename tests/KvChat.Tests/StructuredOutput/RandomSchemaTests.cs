using System.Text;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Whatever is drawn under the masks, the answer is a document that the schema admits.</summary>
public sealed class RandomSchemaTests
{
    private const int Schemas = 150;

    [Fact]
    public void Random_tokens_under_masks_end_in_valid_documents()
    {
        int complete = 0;
        for (int seed = 0; seed < Schemas; seed++)
        {
            JsonElement schema = new SchemaGenerator(seed).Next();
            if (TryCompile(schema) is not { } constraint)
                continue;
            var random = new Random(seed);
            byte[] document = Draw(constraint, random, (int)constraint.ShortestDocument + random.Next(300));
            Check(schema, document);
            complete++;
        }

        Assert.True(complete > Schemas * 0.8, $"only {complete} of {Schemas} schemas compiled");
    }

    [Fact]
    public void Random_bytes_along_a_constraint_end_in_valid_documents()
    {
        for (int seed = 0; seed < Schemas; seed++)
        {
            JsonElement schema = new SchemaGenerator(seed).Next();
            if (TryCompile(schema) is not { } constraint)
                continue;
            var random = new Random(seed);
            for (int repeat = 0; repeat < 5; repeat++)
                Check(schema, DrawBytes(constraint, random, 200));
        }
    }

    [Fact]
    public void An_answer_of_exactly_the_shortest_length_is_complete()
    {
        for (int seed = 0; seed < 40; seed++)
        {
            JsonElement schema = new SchemaGenerator(seed).Next();
            if (TryCompile(schema) is not { } constraint)
                continue;
            Check(schema, Draw(constraint, new Random(seed), (int)constraint.ShortestDocument));
            Assert.Throws<ArgumentOutOfRangeException>(() => constraint.EnsureFits((int)constraint.ShortestDocument - 1));
        }
    }

    private static Constraint? TryCompile(JsonElement schema)
    {
        try
        {
            return new ConstraintCompiler().FromJsonSchema(schema);
        }
        catch (SchemaNotSupportedException)
        {
            return null;
        }
    }

    private static void Check(JsonElement schema, byte[] document)
    {
        string text = Encoding.UTF8.GetString(document);
        JsonElement? value = SmallValidator.TryParse(document);
        Assert.True(value is not null, $"is no JSON: {text}");
        Assert.True(SmallValidator.IsValid(schema, value.Value), $"is not valid: {text}\nunder {schema}");
    }

    /// <summary>Tokens at random among those allowed, as at an endless temperature.</summary>
    private static byte[] Draw(Constraint constraint, Random random, int maxTokens)
    {
        Tokenizer tokenizer = EmbeddedVocabulary.Tokenizer;
        var holder = new TokenConstraint(EmbeddedVocabulary.Masker, tokenizer, constraint, maxTokens);
        var logits = new float[tokenizer.VocabularySize];
        using var document = new MemoryStream();
        for (int step = 0; step < maxTokens; step++)
        {
            Array.Clear(logits);
            Assert.True(holder.Apply(logits));
            int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(i => logits[i] == 0)];
            int token = allowed[random.Next(allowed.Length)];
            holder.Accept(token);
            if (tokenizer.EndOfGenerationIds.Contains(token))
                return document.ToArray();
            document.Write(tokenizer.BytesOf(token));
        }

        Assert.True(holder.IsComplete, $"cut off after {maxTokens} tokens: {Encoding.UTF8.GetString(document.ToArray())}");
        return document.ToArray();
    }

    private static byte[] DrawBytes(Constraint constraint, Random random, int length)
    {
        ConstraintMatcher matcher = constraint.Match();
        var document = new List<byte>();
        while (!matcher.MustStop)
        {
            bool close = document.Count > length;
            if (matcher.IsComplete && (close || random.Next(8) == 0))
                break;
            long before = matcher.ShortestCompletion;
            List<(byte Value, long Left)> ways = [];
            for (int b = 0; b < 256; b++)
            {
                ConstraintMatcher next = matcher.Clone();
                if (next.TryAdvance((byte)b))
                    ways.Add(((byte)b, next.ShortestCompletion));
            }

            // The promise that closing in time rests upon: some byte brings the end nearer by one.
            if (!matcher.IsComplete)
                Assert.Equal(before - 1, ways.Min(w => w.Left));
            if (close)
                ways = [.. ways.Where(w => w.Left < before)];
            byte value = ways[random.Next(ways.Count)].Value;
            Assert.True(matcher.TryAdvance(value));
            document.Add(value);
        }

        return [.. document];
    }
}
