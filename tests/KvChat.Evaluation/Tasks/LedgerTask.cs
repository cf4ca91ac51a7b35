using System.Globalization;
using System.Text;
using KvChat.Evaluation.Metrics;

namespace KvChat.Evaluation.Tasks;

/// <summary>
/// Documents in the language of the embedded model: a shuffled ledger of facts about invented things, each told once in one of several wordings, with prose between
/// them. A question asks for one fact in other words than the document used.
/// </summary>
internal static class LedgerTask
{
    private sealed record Fact(string Entity, LedgerAttribute Attribute, string Value)
    {
        public string Told(LedgerRandom random) => Say(random.Of(Attribute.Told));

        public string Asked(LedgerRandom random) => Say(random.Of(Attribute.Asked));

        public string Answer => Say(Attribute.Told[0]);

        private string Say(string wording) => LedgerRandom.Sentence(string.Format(CultureInfo.InvariantCulture, wording, Entity, Value));
    }

    /// <summary>Makes a set; see <see cref="TaskNames.Generate"/>.</summary>
    /// <param name="filler">Range of the share of sentences without a fact.</param>
    /// <param name="matchValue">Whether an answer need only contain the value.</param>
    public static TaskSet Generate(
        string name, int tokens, int documents, int questions, int seed, (double From, double To) filler, Func<string, int> countTokens, bool matchValue) =>
        new($"{name}-{TaskNames.Length(tokens)}",
            [.. Enumerable.Range(0, documents).Select(i => Document($"{i:000}", tokens, questions, new LedgerRandom(HashCode(seed, tokens, i)), filler, countTokens, matchValue))],
            matchValue ? MatchMetrics.Value : MatchMetrics.Exact, 64);

    /// <summary>A running text of the same language.</summary>
    public static string Text(int tokens, int seed, Func<string, int> countTokens) =>
        Document("text", tokens, 1, new LedgerRandom(seed), (0.1, 0.4), countTokens, matchValue: false).Text;

    internal static int HashCode(int seed, int tokens, int number) => unchecked((((seed * 31) + tokens) * 1009) + number);

    private static TaskDocument Document(string id, int tokens, int questions, LedgerRandom random, (double From, double To) filler, Func<string, int> countTokens, bool matchValue)
    {
        double fill = filler.From + (random.Share() * (filler.To - filler.From));
        Queue<Fact> supply = new();
        var told = new List<Fact>();
        var text = new StringBuilder();
        int sentences = 0, paragraph = random.From(3, 10);
        while (countTokens(text.ToString()) < tokens || told.Count < questions)
        {
            for (int i = 0; i < 8; i++)
            {
                if (text.Length > 0)
                    text.Append(++sentences % paragraph == 0 ? "\n\n" : " ");
                if (random.Share() < fill)
                {
                    text.Append(random.Filler());
                    continue;
                }

                if (supply.Count == 0)
                    supply = Facts(random, Math.Max(64, tokens / 10));
                told.Add(supply.Dequeue());
                text.Append(told[^1].Told(random));
            }
        }

        return new TaskDocument(id, text.ToString(), Questions(told, questions, random, matchValue));
    }

    /// <summary>Questions that spread evenly over the document, in random order.</summary>
    private static List<TaskQuestion> Questions(List<Fact> told, int count, LedgerRandom random, bool matchValue)
    {
        double step = (double)told.Count / count;
        List<Fact> chosen = [.. Enumerable.Range(0, count).Select(i => told[(int)((i * step) + (random.Share() * step))])];
        random.Shuffle(chosen);
        return [.. chosen.Select(f => new TaskQuestion(f.Asked(random), new ExpectedAnswer(matchValue ? f.Value : f.Answer)))];
    }

    private static Queue<Fact> Facts(LedgerRandom random, int count)
    {
        var found = new List<Fact>();
        while (found.Count < count)
        {
            LedgerKind kind = random.Of(LedgerKind.All);
            string entity = kind.Name(random);
            List<LedgerAttribute> attributes = [.. kind.Attributes];
            random.Shuffle(attributes);
            found.AddRange(attributes.Take(random.From(1, attributes.Count + 1)).Select(a => new Fact(entity, a, a.Value(random))));
        }

        random.Shuffle(found);
        return new Queue<Fact>(found.Take(count));
    }
}
