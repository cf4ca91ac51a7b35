using System.Text.Json;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.Templates;

namespace KvChat.Evaluation.Golden;

/// <summary>A model file's tokeniser and chat template.</summary>
internal static class ChatChecks
{
    public static void Run(DirectoryInfo golden, string modelFile, CheckReport report)
    {
        using GgufFile file = GgufFile.Open(modelFile);
        Tokeniser(golden, file, report);
        Template(golden, file, report);
    }

    private static void Tokeniser(DirectoryInfo golden, GgufFile file, CheckReport report)
    {
        string path = Path.Combine(golden.FullName, "tokenizer.jsonl"), check = $"{golden.Name}/tokenizer";
        if (!File.Exists(path))
        {
            report.Skip(check, "no tokenizer.jsonl");
            return;
        }

        Tokenizer tokenizer = TokenizerFactory.FromGguf(file.Metadata);
        JsonElement[] rows = [.. Jsonl.Read(path)];
        TextChecks.Compare(report, $"{check} encodes", rows, "texts", row => tokenizer.Encode(row.Text("text"), allowSpecial: true).Ids.SequenceEqual(row.Ints("ids")));
        TextChecks.Compare(report, $"{check} decodes", rows, "texts", row => tokenizer.Decode(row.Ints("ids"), skipSpecial: false) == row.Text("decoded"));
        TextChecks.Compare(report, $"{check} decodes token by token", rows, "texts", row => Streamed(tokenizer, row.Ints("ids")) == row.Text("decoded"));
    }

    private static string Streamed(Tokenizer tokenizer, int[] ids)
    {
        var stream = new StreamingDetokenizer(tokenizer, skipSpecial: false);
        return string.Concat(ids.Select(stream.Append)) + stream.Flush();
    }

    private static void Template(DirectoryInfo golden, GgufFile file, CheckReport report)
    {
        string path = Path.Combine(golden.FullName, "chat.jsonl"), check = $"{golden.Name}/chat template";
        if (!File.Exists(path) || !file.Metadata.TryGetString("tokenizer.chat_template", out string? source))
        {
            report.Skip(check, "no chat.jsonl, or no template in the model file");
            return;
        }

        ChatTemplate template = ChatTemplate.Parse(source);
        TextChecks.Compare(report, check, Jsonl.Read(path), "renderings", row =>
        {
            TemplateInput input = TemplateChecks.Input(row);
            input["bos_token"] = TemplateValue.Trusted("<|im_start|>");
            input["eos_token"] = TemplateValue.Trusted("<|im_end|>");
            return template.Render(input).Text == row.Text("text");
        });
    }
}
