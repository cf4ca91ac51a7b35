using System.Globalization;
using System.Text.Json.Nodes;
using KvChat.StructuredOutput;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Bounds and multiples of numbers, against decimal arithmetic.</summary>
public sealed class NumberPropertyTests
{
    private const int Ranges = 400;

    private static readonly decimal[] Units = [1m, 0.1m, 0.01m, 10m, 0.5m, 0.25m];

    [Fact]
    public void Numbers_are_accepted_exactly_within_their_bounds()
    {
        int accepted = 0, refused = 0;
        for (int seed = 0; seed < Ranges; seed++)
        {
            var random = new Random(seed);
            Rule rule = Rule.Random(random);
            Constraint? constraint = TryCompile(rule);
            foreach (string text in Candidates(rule, random))
            {
                bool expected = rule.Holds(text);
                bool actual = constraint is not null && Documents.Accepts(constraint, text);
                Assert.True(expected == actual, $"{text} under {rule.Schema().ToJsonString()}: arithmetic says {expected}, the automaton {actual}");
                (accepted, refused) = expected ? (accepted + 1, refused) : (accepted, refused + 1);
            }
        }

        Assert.True(accepted > 2_000 && refused > 2_000, $"{accepted} accepted and {refused} refused: the property says little");
    }

    private static Constraint? TryCompile(Rule rule)
    {
        try
        {
            return new ConstraintCompiler().FromJsonSchema(System.Text.Json.JsonSerializer.SerializeToElement<JsonNode>(rule.Schema()));
        }
        catch (SchemaNotSupportedException e) when (e.Message.Contains("no finite", StringComparison.Ordinal))
        {
            return null; // no number at all
        }
    }

    /// <summary>Numbers at the bounds and around them, some of them with needless zeros.</summary>
    private static IEnumerable<string> Candidates(Rule rule, Random random)
    {
        decimal[] centres = [0, rule.Min ?? -random.Next(100), rule.Max ?? random.Next(100), rule.Multiple ?? 1, random.Next(-500, 500) / 4m];
        foreach (decimal centre in centres)
        {
            foreach (decimal unit in Units)
            {
                decimal value = centre + (random.Next(-2, 3) * unit);
                string text = (value / 1.000000000000000000m).ToString("0.##########", CultureInfo.InvariantCulture);
                yield return text;
                if (text.Contains('.', StringComparison.Ordinal) && random.Next(3) == 0)
                    yield return text + "0";
            }
        }
    }

    private sealed record Rule(bool IsInteger, decimal? Min, bool MinExclusive, decimal? Max, bool MaxExclusive, decimal? Multiple, bool OldForm)
    {
        public static Rule Random(Random random)
        {
            decimal Bound() => random.Next(4) switch
            {
                0 => random.Next(-20, 20),
                1 => random.Next(-2000, 2000) / 10m,
                2 => random.Next(-99_999, 99_999) / 1000m,
                _ => random.Next(-3, 3) * 100,
            };
            decimal[] multiples = [1, 2, 3, 7, 0.5m, 0.25m, 0.1m, 0.03m, 1.5m, 12];
            decimal? min = random.Next(3) > 0 ? Bound() : null;
            decimal? max = random.Next(3) > 0 ? (min ?? Bound()) + (random.Next(1, 4000) / (random.Next(2) == 0 ? 1m : 8m)) : null;
            return new Rule(random.Next(2) == 0, min, random.Next(3) == 0, max, random.Next(3) == 0, random.Next(3) == 0 ? multiples[random.Next(multiples.Length)] : null, random.Next(4) == 0);
        }

        public JsonObject Schema()
        {
            var schema = new JsonObject { ["type"] = IsInteger ? "integer" : "number" };
            if (Min is { } min)
                Add(schema, "minimum", "exclusiveMinimum", min, MinExclusive);
            if (Max is { } max)
                Add(schema, "maximum", "exclusiveMaximum", max, MaxExclusive);
            if (Multiple is { } multiple)
                schema["multipleOf"] = multiple;
            return schema;
        }

        /// <summary>In draft 4 a bound was made exclusive by a flag.</summary>
        private void Add(JsonObject schema, string inclusive, string exclusive, decimal bound, bool isExclusive)
        {
            if (isExclusive && OldForm)
                schema[exclusive] = true;
            schema[isExclusive && !OldForm ? exclusive : inclusive] = bound;
        }

        public bool Holds(string text)
        {
            decimal value = decimal.Parse(text, CultureInfo.InvariantCulture);
            return !(IsInteger && text.Contains('.', StringComparison.Ordinal))
                && (Min is not { } min || (MinExclusive ? value > min : value >= min))
                && (Max is not { } max || (MaxExclusive ? value < max : value <= max))
                && (Multiple is not { } multiple || value % multiple == 0);
        }
    }
}
