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

    [Theory]
    [InlineData("narrativeqa.jsonl", """{"input":"Why?","answers":["x"]}""", "'context'")]
    [InlineData("narrativeqa.jsonl", """{"input":"Why?","context":"c","answers":"x"}""", "'answers'")]
    [InlineData("narrativeqa.jsonl", "[1]", "'input'")]
    [InlineData("narrativeqa.jsonl", "{", "line 1")]
    [InlineData("dureader.jsonl", "{}", "'dureader'")]
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
