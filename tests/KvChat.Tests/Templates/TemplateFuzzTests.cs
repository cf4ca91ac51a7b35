using System.Text.Json;
using KvChat.Templates;

namespace KvChat.Tests.Templates;

/// <summary>Whatever a damaged template holds, nothing but <see cref="ChatTemplateException"/> comes out.</summary>
public sealed class TemplateFuzzTests
{
    private static readonly TemplateLimits Small = new()
    {
        MaxSteps = 20_000, MaxOutputLength = 50_000, MaxTextLength = 50_000, MaxCharactersWritten = 500_000, MaxRange = 2000,
    };

    private static readonly string[] Pieces =
    [
        "{%", "%}", "{{", "}}", "{#", "#}", "-", "+", "~", "|", ".", "(", ")", "[", "]", "{", "}", ":", ",", "'", "\"", "\\", "\n", " ", "**", "//", "%", "==", "<", "is", "in", "not",
        "if", "else", "for", "set", "macro", "call", "filter", "endfor", "endif", "raw", "none", "loop", "caller", "varargs", "s", "u", "d", "l", "ms", "fl", "big", "0", "-1", "9999999999", "1e308", "2.5", "🙂", "\ud83d",
        "|tojson", "|join", "|map(", "|int", "|round(", "|indent(", "|sort", "|batch(", ".split(", ".format(", ".find(", "[::-1]", "|list", "|e", "|safe", "%s", "{:>5}", "range(", "namespace(", "dict(", "recursive", "break",
    ];

    [Fact]
    public void Damaged_templates_end_in_template_errors()
    {
        string[] seeds = [.. File.ReadLines(LanguageTests.PathOf("language.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("template").GetString()!)];
        int iterations = int.Parse(Environment.GetEnvironmentVariable("KVCHAT_FUZZ_ITERATIONS") ?? "4000");
        Random random = new(int.Parse(Environment.GetEnvironmentVariable("KVCHAT_FUZZ_SEED") ?? "1"));
        TemplateInput input = LanguageTests.Input();
        int rendered = 0;
        for (int i = 0; i < iterations; i++)
        {
            string template = Damage(seeds[random.Next(seeds.Length)], seeds, random);
            try
            {
                ChatTemplate.Parse(template).Render(input, Small);
                rendered++;
            }
            catch (ChatTemplateException)
            {
                continue;
            }
            catch (Exception error)
            {
                Assert.Fail($"{error.GetType().Name} of {JsonSerializer.Serialize(template)}: {error}");
            }
        }

        // The damage must leave enough templates alive to reach beyond the parser.
        Assert.InRange(rendered, iterations / 50, iterations - 1);
    }

    private static string Damage(string template, string[] seeds, Random random)
    {
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            int at = random.Next(template.Length + 1), length = Math.Min(random.Next(6), template.Length - at);
            string piece = Pieces[random.Next(Pieces.Length)];
            template = random.Next(5) switch
            {
                0 => template.Remove(at, length),
                1 => template.Insert(at, piece),
                2 => template.Remove(at, length).Insert(at, piece),
                3 => template[..at] + seeds[random.Next(seeds.Length)],
                _ => template.Insert(at, template.Substring(random.Next(template.Length - length + 1), length)),
            };
        }

        return template;
    }
}
