using System.Text;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Tests.StructuredOutput;

public sealed class TokenMaskerTests
{
    private static readonly Tokenizer Tokenizer = EmbeddedVocabulary.Tokenizer;

    [Fact]
    public void Masks_equal_trying_every_token()
    {
        for (int seed = 0; seed < 25; seed++)
        {
            Constraint constraint;
            try
            {
                constraint = new ConstraintCompiler().FromJsonSchema(new SchemaGenerator(seed).Next());
            }
            catch (SchemaNotSupportedException)
            {
                continue;
            }

            Walk(constraint, new Random(seed), 25, masker: EmbeddedVocabulary.Masker);
        }
    }

    [Fact]
    public void Masks_equal_trying_every_token_for_regular_expressions_and_grammars()
    {
        var compiler = new ConstraintCompiler();
        Walk(compiler.FromRegex("(?:[a-z ]{3,60}|[0-9]+(?:, [0-9]+)*|é+ü?)"), new Random(1), 40, EmbeddedVocabulary.Masker);
        Walk(compiler.FromGrammar("root ::= item (\", \" item)*\nitem ::= [a-z]+ | \"(\" root \")\""), new Random(2), 40, EmbeddedVocabulary.Masker);
    }

    [Fact]
    public void Masks_near_the_limit_allow_what_can_be_finished_in_time()
    {
        Constraint constraint = new ConstraintCompiler().FromJsonSchema(JsonDocument.Parse("""{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["b"]}""").RootElement);
        for (int left = 7; left < 40; left++)
        {
            ConstraintMatcher matcher = constraint.Match();
            AssertSame(matcher, left, EmbeddedVocabulary.Masker);
            Assert.True(matcher.TryAdvance("{\"a\": \"x"u8));
            if (left >= matcher.ShortestCompletion)
                AssertSame(matcher, left, EmbeddedVocabulary.Masker);
        }
    }

    [Fact]
    public void Masks_are_the_same_when_memory_is_so_small_that_all_is_forgotten_again_and_again()
    {
        var masker = new TokenMasker(Tokenizer, memoryLimit: 1000);
        Walk(new ConstraintCompiler().FromJsonObject(), new Random(3), 60, masker);
    }

    [Fact]
    public void Known_masks_are_applied_without_allocating()
    {
        Constraint constraint = new ConstraintCompiler().FromJsonObject();
        var logits = new float[Tokenizer.VocabularySize];
        int[] ids = [.. Tokenizer.Encode("""{"value": "one two three four five six seven"}""", allowSpecial: false).Ids];
        long Run()
        {
            var holder = new TokenConstraint(EmbeddedVocabulary.Masker, Tokenizer, constraint, 10_000);
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (int id in ids)
            {
                holder.Apply(logits);
                holder.Accept(id);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Run();
        Assert.Equal(0, Run());
    }

    [Fact]
    public void Control_tokens_are_allowed_at_the_end_alone()
    {
        Constraint constraint = new ConstraintCompiler().FromJsonObject();
        var mask = new ulong[EmbeddedVocabulary.Masker.Words];
        ConstraintMatcher matcher = constraint.Match();
        foreach (byte b in "{\"text\": \"<|im_end|>\"}"u8)
        {
            EmbeddedVocabulary.Masker.Fill(matcher, int.MaxValue, mask);
            for (int id = 0; id < Tokenizer.VocabularySize; id++)
                Assert.False(Tokenizer.KindOf(id) == TokenKind.Control && Has(mask, id));
            Assert.True(matcher.TryAdvance(b));
        }

        EmbeddedVocabulary.Masker.Fill(matcher, int.MaxValue, mask);
        Assert.Equal(Tokenizer.EndOfGenerationIds, Enumerable.Range(0, Tokenizer.VocabularySize).Where(id => Has(mask, id)));
    }

    private static bool Has(ulong[] mask, int id) => (mask[id >> 6] >> (id & 63) & 1) == 1;

    private static void Walk(Constraint constraint, Random random, int steps, TokenMasker masker)
    {
        ConstraintMatcher matcher = constraint.Match();
        for (int step = 0; step < steps && !matcher.MustStop; step++)
        {
            List<int> allowed = AssertSame(matcher, int.MaxValue, masker);
            List<int> texts = [.. allowed.Where(id => !Tokenizer.EndOfGenerationIds.Contains(id))];
            Assert.True(matcher.TryAdvance(Tokenizer.BytesOf(texts[random.Next(texts.Count)])));
        }
    }

    private static List<int> AssertSame(ConstraintMatcher matcher, int remaining, TokenMasker masker)
    {
        var mask = new ulong[masker.Words];
        masker.Fill(matcher, remaining, mask);
        List<int> allowed = [];
        for (int id = 0; id < Tokenizer.VocabularySize; id++)
        {
            ConstraintMatcher next = matcher.Clone();
            bool isText = Tokenizer.KindOf(id) is TokenKind.Normal or TokenKind.Byte && Tokenizer.BytesOf(id).Length > 0;
            bool expected = Tokenizer.EndOfGenerationIds.Contains(id)
                ? matcher.IsComplete
                : isText && next.TryAdvance(Tokenizer.BytesOf(id)) && next.ShortestCompletion < remaining;
            Assert.True(expected == Has(mask, id), $"token {id} '{Encoding.UTF8.GetString(Tokenizer.BytesOf(id))}': trying says {expected}, the mask says {!expected}");
            if (expected)
                allowed.Add(id);
        }

        return allowed;
    }
}
