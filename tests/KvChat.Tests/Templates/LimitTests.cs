using KvChat.Templates;

namespace KvChat.Tests.Templates;

/// <summary>No template runs, grows or nests without end, and errors say where they are.</summary>
public sealed class LimitTests
{
    public static TheoryData<string> Bombs() =>
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(1000000000) %}{% endfor %}",
        "{{ range(10**30)|length }}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s|replace('a', 'aaaaaaaa') %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = (ns.s ~ ' ')|replace('', ns.s) %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(999) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(999) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
        "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
        "{% set ns = namespace(l=(1,), m=(1,)) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
        "{% set ns = namespace(x=1) %}{% set ns.x = [ns] %}{{ ns }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}",
        "{% set l = [1] %}{% for x in l recursive %}{{ loop(l) }}{% endfor %}",
        "{% macro m(n) %}{{ m(n+1) }}{{ m(n+1) }}{% endmacro %}{{ m(0) }}",
        "{{ 'a' * 10**12 }}",
        "{{ [0] * 10**9 }}",
        "{{ 2 ** (10 ** 9) }}",
        "{{ 9 ** (9 ** (9 ** 9)) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.999999999f' % 1 }}",
        "{{ '%*d' % (10**9, 1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '{:.999999999f}'.format(1) }}",
        "{{ 'a'.center(10**9) }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ '\t'.expandtabs(10**9) }}",
        "{{ 'a'|indent(10**9, true) }}",
        "{{ [1]|tojson(indent=10**9) }}",
        "{{ [1]|batch(10**9, 'x')|list }}",
        "{{ [1]|slice(10**9)|list }}",
        "{% set s = 'a' * 10**7 %}{% for i in range(100000) %}{{ s.find('b') }}{% endfor %}",
        "{% set s = 'a' * 10**7 %}{% for i in range(100000) %}{{ s.rfind('b' ~ 'a' * 10**6) }}{% endfor %}",
        "{% set s = 'a' * 10**7 %}{% set p = 'a' * (5 * 10**6) ~ 'b' %}{{ s.replace(p, '') }}{% for i in range(100000) %}{{ p in s }}{% endfor %}",
        "{% set s = 'a' * 10**7 %}{% for i in range(100000) %}{% if s ~ 'a' == s ~ 'b' %}{% endif %}{% endfor %}",
        "{% set s = 'a' * 10**7 %}{% for i in range(100000) %}{% if s is upper %}{% endif %}{{ s.isalpha() }}{{ s|wordcount }}{% endfor %}",
        "{% set s = '🙂' * 10**6 %}{% for i in range(100000) %}{{ s[i] }}{{ s|length }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in l %}{{ l|sort }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in l %}{{ l[1:]|length }}{{ l|sum }}{{ l|map('string')|join }}{% endfor %}",
        "{% set d = dict(a=1) %}{% for i in range(100000) %}{{ range(100000)|batch(1)|list|length }}{% endfor %}",
    ];

    public static TheoryData<string> DeepSources() =>
    [
        "{{ " + new string('(', 100_000) + " }}",
        "{{ " + new string('[', 100_000) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("{1:", 100_000)) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
        "{{ " + new string('-', 100_000) + "1 }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" or 0", 100_000)).Replace("1", "0") + string.Concat(Enumerable.Repeat(" and 1", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat(".x", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat("|e", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat("()", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat(" is odd", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" if 1 else 1", 100_000)) + " }}",
        string.Concat(Enumerable.Repeat("{% if 1 %}", 100_000)),
        string.Concat(Enumerable.Repeat("{% for x in y %}", 100_000)),
        "{% set " + new string('(', 100_000) + "x = 1 %}",
        new string('x', 2 << 20),
    ];

    [Theory]
    [MemberData(nameof(Bombs))]
    public void Bomb_ends_in_an_error(string template)
    {
        // Without limits each of these would take minutes to ages. They are set low to keep the tests quick; one takes the defaults below.
        TemplateLimits limits = new() { MaxSteps = 2_000_000, MaxCharactersWritten = 64 << 20 };
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render([], limits));
        Assert.NotNull(error.Construct);
    }

    [Fact]
    public void Default_limits_end_an_endless_loop() => Assert.Equal("steps", Assert.Throws<ChatTemplateException>(() =>
        ChatTemplate.Parse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}").Render([])).Construct);

    [Theory]
    [MemberData(nameof(DeepSources))]
    public void Deep_source_ends_in_an_error(string template) =>
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render([]));

    [Theory]
    [InlineData("a\nb{{ x.y }}", 2, "undefined")]
    [InlineData("a\n{% nope %}", 2, "nope")]
    [InlineData("\n\n{{ 'x' | nope }}", 3, "nope")]
    [InlineData("{% if true %}\n{% if 'x' is nope %}{% endif %}\n{% endif %}", 2, "nope")]
    [InlineData("{{\n'x'.nope\n(1) }}", 3, "undefined")]
    [InlineData("{#\n\n#}{{ 'x'.encode() }}", 3, "encode")]
    [InlineData("{%- for m in [1] -%}\n\n{{ m + 'x' }}{% endfor %}", 3, "+")]
    [InlineData("{% raw %}\n\n{% endraw %}{{ lipsum() }}", 3, "lipsum")]
    [InlineData("x\n{{ 'abc", 2, null)]
    [InlineData("x\n{# abc", 2, "comment")]
    [InlineData("\n{% for x in [1] %}\n", 2, "endfor")]
    [InlineData("\n{% if x }}", 2, "}")]
    [InlineData("\n{% include 'x' %}", 2, "include")]
    [InlineData("{% set x = [] %}\n{{ x.append(1) }}", 2, "undefined")]
    public void Error_names_line_and_construct(string template, int line, string? construct)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render([]));
        Assert.Equal(line, error.Line);
        Assert.Equal(construct, error.Construct);
        Assert.False(error.RaisedByTemplate);
        Assert.StartsWith($"Chat template, line {line}: ", error.Message);
    }

    [Fact]
    public void Raised_message_is_kept_word_for_word()
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() =>
            ChatTemplate.Parse("x\n{{ raise_exception('Roles must ' ~ 'alternate') }}").Render([]));
        Assert.Equal(("Roles must alternate", 2, "raise_exception", true), (error.Message, error.Line, error.Construct, error.RaisedByTemplate));
    }

    [Theory]
    [InlineData("{% for i in range(100) %}{{ i }}{% endfor %}", "steps")]
    [InlineData("{{ 'a' * 90 }}{{ 'a' * 90 }}", "output")]
    [InlineData("{% set x = 'a' * 150 %}", "*")]
    [InlineData("{{ [[[[[[[[1]]]]]]]] }}", "depth")]
    public void Callers_limits_hold(string template, string construct)
    {
        TemplateLimits limits = new() { MaxSteps = 100, MaxOutputLength = 100, MaxTextLength = 100, MaxDepth = 8 };
        Assert.Equal(construct, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template).Render([], limits)).Construct);
    }
}
