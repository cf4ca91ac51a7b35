using System.Text;
using System.Text.Json;
using KvChat.Runtime.Text;
using KvChat.Templates;
using KvChat.TestSupport;

namespace KvChat.Tests.Templates;

/// <summary>Published templates against what Hugging Face transformers renders: exactly the same text, or an error where it has one.</summary>
public sealed class GoldenTemplateTests
{
    private const int UserOrigin = 7;

    public static TheoryData<string> Templates()
    {
        string folder = SharedFiles.PathOf("golden/templates");
        return Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.jinja").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)] : ["none"];
    }

    [SharedTheory("golden/templates", "golden/templates.jsonl")]
    [MemberData(nameof(Templates))]
    public void Renders_as_transformers_does(string name)
    {
        ChatTemplate template = ChatTemplate.Parse(File.ReadAllText(SharedFiles.PathOf("golden/templates/" + name)));
        StringBuilder failures = new();
        int rows = 0;
        foreach (string line in File.ReadLines(SharedFiles.PathOf("golden/templates.jsonl")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement row = document.RootElement;
            if (row.GetProperty("template").GetString() != name)
                continue;
            rows++;
            Check(template, row, rows, failures);
        }

        Assert.NotEqual(0, rows);
        Assert.True(failures.Length == 0, failures.ToString());
    }

    [SharedFact("golden/tiny/chat.jsonl")]
    public void Embedded_model_renders_as_transformers_does() =>
        CheckChats(GgufText.Metadata(SharedFiles.EmbeddedModel, "tokenizer.chat_template"), "golden/tiny/chat.jsonl");

    [SharedFact("golden/smollm2/chat.jsonl", "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]
    public void Downloaded_model_renders_as_transformers_does() => CheckChats(
        GgufText.Metadata(SharedFiles.PathOf("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), "tokenizer.chat_template"), "golden/smollm2/chat.jsonl");

    private static void CheckChats(string source, string rows)
    {
        ChatTemplate template = ChatTemplate.Parse(source);
        foreach (string line in File.ReadLines(SharedFiles.PathOf(rows)))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            TemplateInput input = new()
            {
                ["messages"] = TemplateValue.FromJson(document.RootElement.GetProperty("messages"), UserOrigin),
                ["add_generation_prompt"] = document.RootElement.GetProperty("add_generation_prompt").GetBoolean(),
                ["bos_token"] = TemplateValue.Trusted("<|im_start|>"),
                ["eos_token"] = TemplateValue.Trusted("<|im_end|>"),
            };
            RenderedText rendered = template.Render(input);
            Assert.Equal(document.RootElement.GetProperty("text").GetString(), rendered.Text);
            AssertUserTextIsTheUsers(document.RootElement.GetProperty("messages"), rendered);
        }
    }

    private static void Check(ChatTemplate template, JsonElement row, int number, StringBuilder failures)
    {
        string? expected = row.TryGetProperty("text", out JsonElement text) ? text.GetString() : null;
        try
        {
            RenderedText rendered = template.Render(Input(row));
            if (rendered.Text != expected)
                failures.AppendLine($"row {number}: expected {Around(expected, rendered.Text)} but got {Around(rendered.Text, expected)}");
            else
                AssertUserTextIsTheUsers(row.GetProperty("messages"), rendered);
        }
        catch (ChatTemplateException error)
        {
            if (expected is not null)
                failures.AppendLine($"row {number}: {error.Message}");
        }
    }

    private static TemplateInput Input(JsonElement row)
    {
        TemplateInput input = new()
        {
            Clock = new FixedClock(new DateTimeOffset(2026, 11, 21, 9, 30, 0, TimeSpan.Zero)),
            ["messages"] = TemplateValue.FromJson(row.GetProperty("messages"), UserOrigin),
            ["tools"] = TemplateValue.FromJson(row.GetProperty("tools"), UserOrigin + 1),
            ["documents"] = TemplateValue.Null,
            ["add_generation_prompt"] = row.GetProperty("add_generation_prompt").GetBoolean(),
        };
        foreach (JsonProperty variable in row.GetProperty("variables").EnumerateObject())
            input[variable.Name] = TemplateValue.FromJson(variable.Value, RenderedText.Template);
        return input;
    }

    /// <summary>Wherever a message's words stand in the prompt, and the template has no such words itself, they have the user's origin.</summary>
    private static void AssertUserTextIsTheUsers(JsonElement messages, RenderedText rendered)
    {
        foreach (JsonElement message in messages.EnumerateArray())
        {
            if (!message.TryGetProperty("content", out JsonElement content) || content.ValueKind != JsonValueKind.String)
                continue;
            foreach (string word in content.GetString()!.Split([' ', '\n', '"', '\\', '{', '}'], StringSplitOptions.RemoveEmptyEntries).Where(w => w is "Zürich" or "漢字" or "injected?" or "Thanks"))
            {
                for (int at = rendered.Text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = rendered.Text.IndexOf(word, at + 1, StringComparison.Ordinal))
                    Assert.All(rendered.Runs.Where(r => r.Start < at + word.Length && r.Start + r.Length > at), run => Assert.NotEqual(RenderedText.Template, run.Origin));
            }
        }
    }

    private static string Around(string? text, string? other)
    {
        if (text is null)
            return "an error";
        int same = text.AsSpan().CommonPrefixLength(other);
        return JsonSerializer.Serialize(text.Substring(Math.Max(0, same - 30), Math.Min(text.Length, same + 50) - Math.Max(0, same - 30)));
    }
}
