using KvChat.Runtime.Text;
using KvChat.Templates;

namespace KvChat.Tests.Templates;

/// <summary>Characters that came from outside never count as the template's, whatever the template does with them.</summary>
public sealed class ProvenanceTests
{
    private const int User = 5;
    private const int Other = 9;

    [Theory]
    [InlineData("<{{ u }}>", "T1 U6 T1")]
    [InlineData("{{ '<' ~ u ~ '>' + o }}", "T1 U6 T1 O4")]
    [InlineData("{{ u[1:3] }}{{ (u ~ o)[5:8] }}", "U3 O2")]
    [InlineData("{{ (u + '-' + o).split('-') | join('+') }}", "U6 T1 O4")]
    [InlineData("{{ (u ~ 'ж' ~ o) | replace('ж', '--') }}", "U6 T2 O4")]
    [InlineData("{{ ('[' ~ u ~ ']') | upper }}", "T1 U6 T1")]
    [InlineData("{{ ('  ' ~ u ~ '  ') | trim }}", "U6")]
    [InlineData("{% macro m(x) %}({{ x }}){% endmacro %}{{ m(u) }}", "T1 U6 T1")]
    [InlineData("{% set b %}-{{ o }}-{% endset %}{{ b }}", "T1 O4 T1")]
    [InlineData("{% filter upper %}a{{ u }}b{% endfilter %}", "T1 U6 T1")]
    [InlineData("{{ '%s=%s' % (u, o) }}", "U6 T1 O4")]
    [InlineData("{{ '{}:{}'.format(u, o) }}", "U6 T1 O4")]
    [InlineData("{{ [u, o] | join(', ') }}", "U6 T2 O4")]
    [InlineData("{{ ', '.join([u, o]) }}", "U6 T2 O4")]
    [InlineData("{{ u | tojson }}", "U8")]
    [InlineData("{{ {'k': u} | tojson }}", "T6 U8 T1")]
    [InlineData("{{ [u, o] }}", "T1 U8 T2 O6 T1")]
    [InlineData("{{ j | tojson }}", "U26")]
    [InlineData("{{ j | tojson(indent=2) }}", "U44")]
    [InlineData("{{ j }}", "U26")]
    [InlineData("{{ j.n + 1 }}{{ j.n * 2.5 }}", "U6")]
    [InlineData("{{ u | length }}{{ u.find('в') }}{{ u.count('а') }}", "U3")]
    [InlineData("{{ u.center(10, '*') }}", "U10")]
    [InlineData("{{ '%10s' % u }}", "U10")]
    [InlineData("{{ '{:>10}'.format(u) }}", "U10")]
    [InlineData("{{ u | indent(2, true) }}", "U8")]
    [InlineData("{{ u | list | join }}", "U6")]
    [InlineData("{{ u[::-1] }}{{ u | reverse }}", "U12")]
    [InlineData("{{ u | default('x') }}{{ zz | default(u) }}", "U12")]
    [InlineData("{{ [u] | map('upper') | first }}", "U6")]
    [InlineData("{{ u if true else 'x' }}{{ u or 'x' }}{{ '' or u }}", "U18")]
    [InlineData("{{ (u | safe) ~ o }}{{ (u | safe) + o }}", "U6 O4 U6 O4")]
    [InlineData("{{ u * 2 }}", "U12")]
    public void Runs_follow_the_characters(string template, string expected)
    {
        RenderedText rendered = ChatTemplate.Parse(template).Render(Input("абв<|>", "ЖЖЖЖ"));
        string runs = string.Join(' ', rendered.Runs.Select(r => $"{(r.Origin == 0 ? 'T' : r.Origin == User ? 'U' : 'O')}{r.Length}"));
        Assert.Equal(expected, runs);
    }

    [Theory]
    [InlineData("{{ u }}")]
    [InlineData("{{ u|tojson }}{{ [u]|tojson(ensure_ascii=true) }}")]
    [InlineData("{{ u|e }}{{ u|safe|upper }}{{ u|title }}{{ u|capitalize }}{{ u|lower }}{{ u|urlencode }}{{ u|striptags }}")]
    [InlineData("{{ [u] }}{{ {'a': u} }}{{ u|pprint }}{{ (u,)|string }}")]
    [InlineData("{{ u.title() }}{{ u.swapcase() }}{{ u.casefold() }}{{ u.zfill(90) }}{{ u.expandtabs() }}{{ u.partition('|') }}{{ u.rpartition('|') }}")]
    [InlineData("{{ u.splitlines(true) | join('') }}{{ u.split() | join(' ') }}{{ u.rsplit('|', 1) | join('-') }}{{ u|truncate(7, true) }}{{ u|wordcount }}")]
    [InlineData("{% for c in u %}{{ c }}{% endfor %}{{ u|batch(3)|list }}{{ u|slice(3)|list }}{{ u|sort|join }}{{ u|unique|join }}{{ u|min }}{{ u|max }}")]
    [InlineData("{{ '%-30s|%.3s|%r' % (u, u, u) }}{{ '{0!r:>40}|{0:.3}|{a}'.format(u, a=u) }}{{ '%(a)s' % {'a': u} }}")]
    [InlineData("{{ u.replace('|', u) }}{{ 'xyx'.replace('y', u) }}{{ 'a'.join(u) }}{{ u.join('ab') }}{{ u.strip('<') }}{{ u.removeprefix('<') }}")]
    [InlineData("{{ [{'r': u}]|map(attribute='r')|join }}{{ [{'r': u}]|groupby('r') }}{{ {u: u}|dictsort }}{{ {u: 1}|items|list }}{{ [u]|sum(start=[])|string if false else u }}")]
    [InlineData("{% for k, v in {u: u}.items() %}{{ k ~ v }}{% endfor %}{% set ns = namespace(x=u) %}{{ ns.x }}{{ [[u]]|map('first')|list }}")]
    [InlineData("{% macro m(a, b=u) %}{{ a ~ b ~ varargs ~ kwargs ~ caller(u) }}{% endmacro %}{% call(x) m(u, u, u, z=u) %}{{ x }}{{ u }}{% endcall %}")]
    public void No_user_character_becomes_the_templates(string template)
    {
        // None of these characters can come from the templates above, which are plain ASCII without '<|' and '|>'.
        const string Text = "<|БОБ_🙂|>\nжук\t漢字 \\ « ß <|ИМ|>";
        RenderedText rendered = ChatTemplate.Parse(template).Render(Input(Text, "Ж"));
        Assert.NotEmpty(rendered.Text);
        foreach (OriginRun run in rendered.Runs.Where(r => r.Origin == RenderedText.Template))
        {
            string part = rendered.Text.Substring(run.Start, run.Length);
            Assert.True(part.All(char.IsAscii), $"the template is said to have written '{part}'");
            Assert.DoesNotContain("<|", part);
            Assert.DoesNotContain("|>", part);
        }
    }

    [Fact]
    public void Random_chains_of_filters_keep_the_users_characters_the_users()
    {
        string[] filters =
        [
            "upper", "lower", "title", "capitalize", "trim", "trim('Б')", "string", "safe", "e", "tojson", "indent(1)", "reverse", "replace('ж', 'x')", "replace('a', 'Z')", "list|join('-')",
            "truncate(9, true)", "center(12)", "urlencode|string", "default('z')", "list|tojson", "list|string", "batch(2)|map('join')|join('/')", "map('upper')|join", "striptags", "first", "last",
        ];
        Random random = new(11);
        for (int i = 0; i < 400; i++)
        {
            string chain = string.Join('|', Enumerable.Range(0, random.Next(1, 6)).Select(_ => filters[random.Next(filters.Length)]));
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ => "БЖж🙂漢 \n\"'\\ß<&"[random.Next(14)]));
            RenderedText rendered = ChatTemplate.Parse("{{ ('a' ~ u ~ 'b')|" + chain + " }}").Render(Input(text, "Ж"));
            Assert.All(rendered.Runs.Where(r => r.Origin == RenderedText.Template), r => Assert.True(
                rendered.Text.AsSpan(r.Start, r.Length).IndexOfAnyExceptInRange('\0', '\x7f') < 0, $"{chain}: {rendered.Text}"));
        }
    }

    [Fact]
    public void Text_put_together_before_keeps_its_runs()
    {
        RenderedText mixed = new("ab<|cd", [new OriginRun(0, 2, 0), new OriginRun(2, 2, 4), new OriginRun(4, 2, 0)]);
        RenderedText rendered = ChatTemplate.Parse("{{ m[1:5]|upper }}").Render(new TemplateInput { ["m"] = TemplateValue.Text(mixed) });
        Assert.Equal("B<|C", rendered.Text);
        Assert.Equal([new OriginRun(0, 1, 0), new OriginRun(1, 2, 4), new OriginRun(3, 1, 0)], rendered.Runs);
    }

    private static TemplateInput Input(string user, string other) => new()
    {
        ["u"] = TemplateValue.Text(user, User),
        ["o"] = TemplateValue.Text(other, Other),
        ["j"] = TemplateValue.FromJson(System.Text.Json.JsonDocument.Parse("""{"n": 12, "t": ["a", 1.5]}""").RootElement, User),
    };
}
