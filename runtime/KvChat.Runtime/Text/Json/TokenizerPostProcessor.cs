using System.Text.Json;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text.Json;

/// <summary>Reads which special tokens a <c>tokenizer.json</c> puts before and behind a text.</summary>
internal static class TokenizerPostProcessor
{
    /// <exception cref="ModelFileException">It puts something else there.</exception>
    public static (int? Before, int? After) Read(JsonFields root, TokenizerJsonVocabulary vocabulary)
    {
        (int? Before, int? After) around = (null, null);
        foreach (JsonFields part in TokenizerPipeline.Parts(root, "post_processor", "processors"))
        {
            switch (TokenizerPipeline.TypeOf(part))
            {
                case "ByteLevel":
                    break; // trims offsets, which nobody asks for
                case "TemplateProcessing":
                    around = Template(part, vocabulary);
                    break;
                default:
                    throw TokenizerPipeline.Unknown(part, "ByteLevel, TemplateProcessing");
            }
        }

        return around;
    }

    private static (int? Before, int? After) Template(JsonFields part, TokenizerJsonVocabulary vocabulary)
    {
        int? before = null, after = null;
        bool isBehind = false;
        if (part.Find("single") is not { ValueKind: JsonValueKind.Array } single)
            throw part.Error("single", "must be a list.");
        foreach (JsonElement item in single.EnumerateArray())
        {
            var piece = new JsonFields(item, TokenizerJsonReader.FileName, "post_processor.single");
            if (piece.Has("Sequence"))
            {
                isBehind = isBehind ? throw piece.Error("Sequence", "stands there twice; a text stands once.") : true;
                continue;
            }

            string name = piece.Required("SpecialToken").Text("id") ?? throw piece.Error("SpecialToken.id", "is missing.");
            int id = vocabulary.Find(name) ?? throw piece.Error("SpecialToken.id", $"is '{ModelFileException.Printable(name)}', which is no token.");
            if ((isBehind ? after : before) is not null)
                throw piece.Error("SpecialToken.id", "is the second on its side of the text; one is supported.");
            if (isBehind)
                after = id;
            else
                before = id;
        }

        return (before, after);
    }
}
