using System.Globalization;
using System.Text;
using KvChat.Evaluation.Metrics;

namespace KvChat.Evaluation.Tasks;

/// <summary>
/// Tasks in the manner of RULER (arXiv 2404.06654, section 3), in words of our own: needles in prose, tracking of variables, and common words. Answers are matched
/// as RULER matches them.
/// </summary>
internal static class RulerTasks
{
    private const int Values = 4, ChainLength = 5, CommonWords = 10, CommonTimes = 30, RareTimes = 3;

    public static IReadOnlyList<string> Names { get; } = ["niah-single", "niah-multikey", "niah-multivalue", "variable-tracking", "common-words"];

    /// <summary>Makes a set; see <see cref="TaskNames.Generate"/>.</summary>
    public static TaskSet Generate(string name, int tokens, int documents, int questions, int seed, Func<string, int> countTokens)
    {
        Func<Maker, TaskDocument> make = name switch
        {
            "niah-single" => m => m.Needles(distractors: 0, values: 1),
            "niah-multikey" => m => m.Needles(distractors: 24, values: 1),
            "niah-multivalue" => m => m.Needles(distractors: 0, values: Values),
            "variable-tracking" => m => m.Variables(),
            "common-words" => m => m.Common(),
            _ => throw new ArgumentException($"There is no task '{name}'; there are: {string.Join(", ", TaskNames.All)}.", nameof(name)),
        };
        int answer = name == "common-words" ? 120 : name == "niah-multivalue" ? 96 : 64;
        return new TaskSet($"{name}-{TaskNames.Length(tokens)}",
            [.. Enumerable.Range(0, documents).Select(i => make(new Maker($"{i:000}", tokens, questions, new LedgerRandom(LedgerTask.HashCode(seed, tokens, i)), countTokens)))],
            MatchMetrics.All, answer, System: null);
    }

    private sealed class Maker(string id, int tokens, int questions, LedgerRandom random, Func<string, int> countTokens)
    {
        public TaskDocument Needles(int distractors, int values)
        {
            var needles = new List<string>();
            var asked = new List<TaskQuestion>();
            var keys = new HashSet<string>(StringComparer.Ordinal);
            for (int i = 0; i < questions + distractors; i++)
            {
                string key = Unused(keys, () => $"{random.Of(LedgerWords.Colours)} {random.Name()}");
                string[] numbers = [.. Enumerable.Range(0, values).Select(_ => random.From(1_000_000, 10_000_000).ToString(CultureInfo.InvariantCulture))];
                needles.AddRange(numbers.Select(n => $"One of the secret numbers of {key} is {n}."));
                if (i < questions)
                    asked.Add(new TaskQuestion($"What are all the secret numbers of {key} that the text names?", new ExpectedAnswer(numbers, [])));
            }

            random.Shuffle(needles);
            return new TaskDocument(id, "Remember the secret numbers that stand in this text.\n\n" + Hidden(needles), asked);
        }

        public TaskDocument Variables()
        {
            var lines = new List<string>();
            var asked = new List<TaskQuestion>();
            HashSet<string> used = new(StringComparer.Ordinal), values = new(StringComparer.Ordinal);
            for (int chain = 0; chain < questions; chain++)
            {
                string value = Unused(values, () => random.From(10_000, 100_000).ToString(CultureInfo.InvariantCulture));
                string[] names = [.. Enumerable.Range(0, ChainLength).Select(_ => Fresh(used))];
                lines.Add($"VAR {names[0]} = {value}.");
                lines.AddRange(names.Zip(names.Skip(1), (from, to) => $"VAR {to} = VAR {from}."));
                asked.Add(new TaskQuestion($"Which variables have the value {value}, directly or through others? Name all of them.", new ExpectedAnswer(names, [])));
            }

            return new TaskDocument(id, "Follow the assignments of variables in this text.\n\n" + Hidden(Interleaved(lines)), asked);
        }

        /// <summary>One list of words serves one question: which ten stand in it most often.</summary>
        public TaskDocument Common()
        {
            var used = new HashSet<string>(StringComparer.Ordinal);
            string[] common = [.. Enumerable.Range(0, CommonWords).Select(_ => Word(used))];
            List<string> words = [.. common.SelectMany(w => Enumerable.Repeat(w, CommonTimes))];
            while (countTokens(Numbered(words)) < tokens)
            {
                for (int i = 0; i < 10; i++)
                    words.AddRange(Enumerable.Repeat(Word(used), RareTimes));
            }

            random.Shuffle(words);
            return new TaskDocument(id, "Here is a numbered list of words; some stand in it more often than others.\n\n" + Numbered(words),
                [new TaskQuestion("Which ten words stand in the list most often?", new ExpectedAnswer(common, []))]);
        }

        /// <summary>Prose with the lines at places spread evenly, in their order.</summary>
        private string Hidden(List<string> lines)
        {
            var sentences = new List<string>();
            int lineTokens = countTokens(string.Join(' ', lines)), used = 0;
            while (used < tokens - lineTokens)
            {
                string[] more = [.. Enumerable.Range(0, 10).Select(_ => random.Filler())];
                used += countTokens(string.Join(' ', more));
                sentences.AddRange(more);
            }

            double step = (double)(sentences.Count + 1) / lines.Count;
            for (int i = lines.Count - 1; i >= 0; i--)
                sentences.Insert((int)((i * step) + (random.Share() * step)), lines[i]);
            var text = new StringBuilder();
            for (int i = 0; i < sentences.Count; i++)
                text.Append(i == 0 ? "" : i % 8 == 0 ? "\n\n" : " ").Append(sentences[i]);
            return text.ToString();
        }

        /// <summary>Chains mixed, each in its own order, because a variable cannot be used before it is set.</summary>
        private List<string> Interleaved(List<string> lines)
        {
            List<int> order = [.. Enumerable.Range(0, lines.Count).Select(i => i / ChainLength)];
            random.Shuffle(order);
            var next = new int[questions];
            return [.. order.Select(chain => lines[(chain * ChainLength) + next[chain]++])];
        }

        private string Fresh(HashSet<string> used) => Unused(used, () => new string([.. Enumerable.Range(0, 5).Select(_ => (char)('A' + random.Below(26)))]));

        private string Word(HashSet<string> used) => Unused(used, () => random.Name(2).ToLowerInvariant());

        /// <summary>Two things of one name would make a question that two answers fit.</summary>
        private static string Unused(HashSet<string> used, Func<string> make)
        {
            string made;
            do
                made = make();
            while (!used.Add(made));
            return made;
        }

        private static string Numbered(List<string> words) => string.Join(' ', words.Select((w, i) => $"{i + 1}. {w}"));
    }
}
