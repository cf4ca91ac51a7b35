using System.Text.Json;
using KvChat.Templates;

namespace KvChat.Evaluation.Golden;

/// <summary>Chat templates of published models.</summary>
internal static class TemplateChecks
{
    /// <summary>What the reference's <c>strftime_now</c> said.</summary>
    private static readonly DateTimeOffset s_now = new(2026, 11, 21, 9, 30, 0, TimeSpan.Zero);

    public static void Run(DirectoryInfo golden, CheckReport report)
    {
        string path = Path.Combine(golden.FullName, "templates.jsonl"), folder = Path.Combine(golden.FullName, "templates");
        if (!File.Exists(path) || !Directory.Exists(folder))
        {
            report.Skip("templates", "no templates.jsonl and templates");
            return;
        }

        foreach (IGrouping<string, JsonElement> rows in Jsonl.Read(path).GroupBy(r => r.Text("template")))
        {
            string file = Path.Combine(folder, rows.Key);
            if (!File.Exists(file))
            {
                report.Skip($"templates/{rows.Key}", "no such file in templates");
                continue;
            }

            string source = File.ReadAllText(file);
            TextChecks.Compare(report, $"templates/{rows.Key}", rows, "renderings", row => Holds(source, row));
        }
    }

    /// <summary>The variables of a row, all of them from outside but the tokens at the ends.</summary>
    public static TemplateInput Input(JsonElement row)
    {
        var input = new TemplateInput
        {
            Clock = new FixedClock(),
            ["messages"] = TemplateValue.FromJson(row.GetProperty("messages"), 1),
            ["add_generation_prompt"] = row.GetProperty("add_generation_prompt").GetBoolean(),
        };
        if (row.TryGetProperty("tools", out JsonElement tools))
        {
            input["tools"] = TemplateValue.FromJson(tools, 2);
            input["documents"] = TemplateValue.Null;
        }

        if (row.TryGetProperty("variables", out JsonElement variables))
        {
            foreach (JsonProperty variable in variables.EnumerateObject())
                input[variable.Name] = TemplateValue.FromJson(variable.Value, 0);
        }

        return input;
    }

    private static bool Holds(string source, JsonElement row)
    {
        try
        {
            string text = ChatTemplate.Parse(source).Render(Input(row)).Text;
            return row.TryGetProperty("text", out JsonElement expected) && text == expected.GetString();
        }
        catch (ChatTemplateException)
        {
            if (row.TryGetProperty("error", out _))
                return true;
            throw;
        }
    }

    private sealed class FixedClock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => s_now;
    }
}
