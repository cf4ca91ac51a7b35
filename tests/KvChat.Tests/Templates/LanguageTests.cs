using System.Text.Json;
using KvChat.Templates;
using KvChat.TestSupport;

namespace KvChat.Tests.Templates;

/// <summary>
/// The language, construct by construct. The answers in language.jsonl were made with Jinja 3.1.6 in the environment that Hugging Face
/// transformers sets up; where it has an error, any error will do.
/// </summary>
public sealed class LanguageTests
{
    private static readonly JsonElement Variables = JsonDocument.Parse(File.ReadAllText(PathOf("language-variables.json"))).RootElement;

    public static TheoryData<string, string?> Cases()
    {
        TheoryData<string, string?> cases = [];
        foreach (string line in File.ReadLines(PathOf("language.jsonl")))
        {
            JsonElement row = JsonDocument.Parse(line).RootElement;
            cases.Add(row.GetProperty("template").GetString()!, row.TryGetProperty("text", out JsonElement text) ? text.GetString() : null);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Says_what_Jinja_says(string template, string? expected)
    {
        if (expected is null)
            Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render(Input()));
        else
            Assert.Equal(expected, ChatTemplate.Parse(template).Render(Input()).Text);
    }

    [Fact]
    public void One_template_renders_on_many_threads()
    {
        ChatTemplate template = ChatTemplate.Parse("{% set ns = namespace(n=0) %}{% for i in range(200) %}{% set ns.n = ns.n + i %}{{ s[i % 5] }}{% endfor %}{{ ns.n }}");
        string expected = template.Render(Input()).Text;
        Parallel.For(0, 64, _ => Assert.Equal(expected, template.Render(Input()).Text));
    }

    [Fact]
    public void Clock_is_the_callers_own_in_local_time()
    {
        TemplateInput input = new() { Clock = new FixedClock(new DateTimeOffset(2024, 2, 29, 13, 5, 9, TimeSpan.Zero)) };
        Assert.Equal("29 Feb 2024 01:05 PM 060", ChatTemplate.Parse("{{ strftime_now('%d %b %Y %I:%M %p %j') }}").Render(input).Text);
    }

    internal static TemplateInput Input(int origin = 3)
    {
        TemplateInput input = new() { Clock = new FixedClock(new DateTimeOffset(2026, 11, 21, 9, 30, 5, TimeSpan.Zero)) };
        foreach (JsonProperty variable in Variables.EnumerateObject())
            input[variable.Name] = TemplateValue.FromJson(variable.Value, origin);
        return input;
    }

    internal static string PathOf(string file) => Path.Combine(SharedFiles.Repository, "tests", "KvChat.Tests", "Templates", file);
}
