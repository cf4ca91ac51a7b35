using System.Text.RegularExpressions;
using KvChat.Evaluation.Tasks;

namespace KvChat.Tests.Evaluation;

/// <summary>Generated tasks hold what they ask for, and published files are read as they are.</summary>
public sealed class TaskTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-tasks").FullName;

    public static TheoryData<string> Names => [.. TaskNames.All];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_seed_makes_the_same_task_again_and_another_seed_another(string name)
    {
        TaskSet first = Generate(name, 1), again = Generate(name, 1), other = Generate(name, 2);
        Assert.Equal(first.Documents.Select(d => d.Text), again.Documents.Select(d => d.Text));
        Assert.Equal(Asked(first), Asked(again));
        Assert.NotEqual(first.Documents.Select(d => d.Text), other.Documents.Select(d => d.Text));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Documents_have_the_length_asked_for(string name) =>
        Assert.All(Generate(name, 1).Documents, d => Assert.InRange(Words(d.Text), 1000, 1400));

    [Theory]
    [InlineData("niah-single", 1)]
    [InlineData("niah-multikey", 1)]
    [InlineData("niah-multivalue", 4)]
    [InlineData("variable-tracking", 5)]
    [InlineData("common-words", 10)]
    public void What_is_asked_for_stands_in_the_text(string name, int parts)
    {
        foreach (TaskDocument document in Generate(name, 3).Documents)
        {
            Assert.All(document.Questions, q =>
            {
                Assert.Equal(parts, q.Expected.Texts.Count);
                Assert.All(q.Expected.Texts, t => Assert.Contains(t, document.Text, StringComparison.Ordinal));
            });
        }
    }

    [Theory]
    [InlineData("niah-single", 3)]
    [InlineData("niah-multikey", 3 + 24)] // keys that nobody asks for stand among those that are
    [InlineData("niah-multivalue", 3 * 4)]
    public void As_many_needles_stand_in_the_text_as_the_task_says(string name, int needles)
    {
        foreach (TaskDocument document in Generate(name, 6).Documents)
        {
            string[] keys = [.. Regex.Matches(document.Text, @"One of the secret numbers of (.+?) is \d+\.").Select(m => m.Groups[1].Value)];
            Assert.Equal(needles, keys.Length);
            Assert.Equal(name == "niah-multivalue" ? needles / 4 : needles, keys.Distinct().Count());
        }
    }

    [Fact]
    public void Chains_of_variables_have_values_and_names_of_their_own()
    {
        foreach (TaskDocument document in Generate("variable-tracking", 7).Documents)
        {
            Assert.Equal(document.Questions.Count, document.Questions.Select(q => q.Text).Distinct().Count());
            string[] names = [.. document.Questions.SelectMany(q => q.Expected.Texts)];
            Assert.Equal(names.Length, names.Distinct().Count());
        }
    }

    [Fact]
    public void Answers_about_ledgers_may_be_matched_by_their_value_alone()
    {
        TaskSet exact = Generate("prose", 1), value = TaskNames.Generate("prose", 1000, 2, 3, 1, Words, matchValue: true);
        Assert.Equal(("exact", "value"), (exact.Metric.Name, value.Metric.Name));
        foreach ((TaskQuestion one, TaskQuestion other) in exact.Documents.Zip(value.Documents).SelectMany(d => d.First.Questions.Zip(d.Second.Questions)))
        {
            Assert.Equal(one.Text, other.Text);
            Assert.Contains(other.Expected.Texts[0], one.Expected.Texts[0], StringComparison.Ordinal);
            Assert.Equal(1, value.Metric.Score($"It is {other.Expected.Texts[0]}, I think.", other.Expected));
        }
    }

    [Fact]
    public void A_document_that_is_too_long_loses_its_middle()
    {
        TaskSet set = new("set", [Document("short", 10), Document("long", 3000)], Generate("prose", 1).Metric, 64);
        TaskSet fitting = set.Fitting(1000, WordStarts, out int cut);
        Assert.Equal((1, set.Documents[0].Text), (cut, fitting.Documents[0].Text));
        string text = fitting.Documents[1].Text;
        Assert.InRange(Words(text), 700, 1000 - 64);
        Assert.StartsWith("w0 w1 w2 ", text, StringComparison.Ordinal);
        Assert.EndsWith(" w2998 w2999", text, StringComparison.Ordinal);

        static TaskDocument Document(string id, int words) =>
            new(id, string.Join(' ', Enumerable.Range(0, words).Select(i => $"w{i}")), [new TaskQuestion("What is it?", new KvChat.Evaluation.Metrics.ExpectedAnswer("it"))]);

        static IReadOnlyList<int> WordStarts(string text) => [.. Enumerable.Range(0, text.Length).Where(i => i == 0 || text[i - 1] == ' ')];
    }

    [Fact]
    public void A_variable_is_set_before_it_is_used()
    {
        foreach (TaskDocument document in Generate("variable-tracking", 4).Documents)
        {
            foreach (TaskQuestion question in document.Questions)
            {
                int[] places = [.. question.Expected.Texts.Select(v => document.Text.IndexOf($"VAR {v} =", StringComparison.Ordinal))];
                Assert.DoesNotContain(-1, places);
                Assert.Equal(places.Order(), places);
            }
        }
    }

    [Fact]
    public void The_common_words_are_the_most_common()
    {
        TaskDocument document = Generate("common-words", 5).Documents[0];
        Dictionary<string, int> times = document.Text.Split(' ').GroupBy(w => w, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count(), StringComparer.Ordinal);
        Assert.All(document.Questions[0].Expected.Texts, w => Assert.Equal(30, times[w]));
        Assert.Equal(10, times.Count(t => t.Value >= 30));
    }

    [Fact]
    public void Prose_has_fewer_facts_than_a_ledger_of_the_same_length()
    {
        Assert.True(Facts(Generate("prose", 1)) * 3 < Facts(Generate("longdoc", 1)));

        static int Facts(TaskSet set) => set.Documents.Sum(d => d.Text.Split(". ").Count(s => !s.Contains(" that ", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_unknown_task_is_named() =>
        Assert.Contains("'haystack'", Assert.Throws<ArgumentException>(() => Generate("haystack", 1)).Message, StringComparison.Ordinal);

    [Fact]
    public void Longbench_files_are_read_with_their_metric()
    {
        Write("trec_e.jsonl", """{"input":"Question: who?\nType:","context":"some examples","answers":["Person"],"all_classes":["Person","City"],"length":3,"dataset":"trec","language":"en","_id":"x"}""");
        Write("narrativeqa.jsonl", """{"input":"Why?","context":"A story {0} with braces.","answers":["rain","the rain"],"all_classes":null,"length":3,"dataset":"narrativeqa","language":"en","_id":"y"}""");
        IReadOnlyList<TaskSet> sets = PublishedData.Read(_folder, limit: null);
        Assert.Equal(["longbench-narrativeqa", "longbench-trec_e"], sets.Select(s => s.Name));
        Assert.Contains("A story {0} with braces.", sets[0].Documents[0].Text, StringComparison.Ordinal);
        Assert.Contains("Why?", sets[0].Documents[0].Questions[0].Text, StringComparison.Ordinal);
        Assert.Equal(1, sets[0].Metric.Score("The rain.", sets[0].Documents[0].Questions[0].Expected), 9);
        Assert.Equal(1, sets[1].Metric.Score("Person\nCity", sets[1].Documents[0].Questions[0].Expected), 9); // only the first line counts here
    }

    [Fact]
    public void Ruler_files_are_read_with_their_metric()
    {
        Write("niah_multivalue/validation.jsonl", """{"index":0,"input":"Remember.\n\nLong text.\nWhat are the numbers?","outputs":["1234","5678"],"length":9}""");
        Write("qa_1/validation.jsonl", """{"index":0,"input":"Text.\nWho?","outputs":["Ann","Anna"],"length":9}""");
        IReadOnlyList<TaskSet> sets = PublishedData.Read(_folder, limit: null);
        Assert.Equal(["ruler-niah_multivalue", "ruler-qa_1"], sets.Select(s => s.Name));
        TaskDocument document = sets[0].Documents[0];
        Assert.Equal(("Remember.\n\nLong text.", "What are the numbers?"), (document.Text, document.Questions[0].Text));
        Assert.Equal(0.5, sets[0].Metric.Score("5678", document.Questions[0].Expected), 9);
        Assert.Equal(1, sets[1].Metric.Score("ann", sets[1].Documents[0].Questions[0].Expected), 9);
    }

    [Fact]
    public void Rulers_beginning_of_the_answer_stands_behind_the_question_once()
    {
        Write("vt/validation.jsonl", """{"index":0,"input":"Text.\nQuestion: Which? Answer:","outputs":["A"],"answer_prefix":"Answer:"}""");
        Write("cwe/validation.jsonl", """{"index":0,"input":"Text.\nQuestion: Which?","outputs":["A"],"answer_prefix":" Answer: The words are:"}""");
        IReadOnlyList<TaskSet> sets = PublishedData.Read(_folder, limit: null);
        Assert.Equal(["Question: Which? Answer: The words are:", "Question: Which? Answer:"], sets.Select(s => s.Documents[0].Questions[0].Text));
        Assert.Equal([120, 30], sets.Select(s => s.AnswerTokens));
    }

    [Fact]
    public void Chinese_datasets_are_left_out_by_name_beside_others()
    {
        Write("dureader.jsonl", "{}");
        Write("qasper.jsonl", """{"input":"Why?","context":"c","answers":["x"],"all_classes":null}""");
        var leftOut = new List<string>();
        Assert.Equal("longbench-qasper", Assert.Single(PublishedData.Read(_folder, limit: null, leftOut.Add)).Name);
        Assert.EndsWith("dureader.jsonl", Assert.Single(leftOut), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("narrativeqa.jsonl", """{"input":"Why?","answers":["x"]}""", "'context'")]
    [InlineData("narrativeqa.jsonl", """{"input":"Why?","context":"c","answers":"x"}""", "'answers'")]
    [InlineData("narrativeqa.jsonl", "[1]", "'input'")]
    [InlineData("narrativeqa.jsonl", "{", "line 1")]
    [InlineData("dureader.jsonl", "{}", "holds no .jsonl file")]
    [InlineData("other.jsonl", "{}", "'other'")]
    [InlineData("narrativeqa.jsonl", "", "no row")]
    public void A_file_that_is_not_as_published_is_refused_by_name(string file, string content, string named)
    {
        Write(file, content);
        Assert.Contains(named, Assert.Throws<FormatException>(() => PublishedData.Read(_folder, limit: null)).Message, StringComparison.Ordinal);
    }

    private static TaskSet Generate(string name, int seed) => TaskNames.Generate(name, 1000, 2, name == "common-words" ? 1 : 3, seed, Words);

    private static IEnumerable<string> Asked(TaskSet set) => set.Documents.SelectMany(d => d.Questions.Select(q => q.Text));

    private static int Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;

    private void Write(string file, string line)
    {
        string path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, line + "\n");
    }
}
