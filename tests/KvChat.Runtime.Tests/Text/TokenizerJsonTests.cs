using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using KvChat.Runtime.Models;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

/// <summary>tokenizer.json against the answers of the library whose format it is, and of llama.cpp.</summary>
public sealed class TokenizerJsonTests
{
    private const string Llama3Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    [SharedFact("models/tiny/tokenizer.json", "golden/tiny/tokenizer.jsonl")]
    public void A_file_as_the_library_wrote_it_agrees_with_the_reference_in_every_row() =>
        TokenizerGoldenTests.AssertRows(TokenizerFactory.FromTokenizerJson(File.ReadAllBytes(SharedFiles.PathOf("models/tiny/tokenizer.json"))), "golden/tiny/tokenizer.jsonl");

    [SharedFact("golden/smollm2/tokenizer.jsonl", "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")]
    public void SmolLM2_agrees_with_the_reference_in_every_row()
    {
        TokenizerData data = VocabularyFile.Read(SharedFiles.PathOf("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"));
        JsonObject file = TokenizerJsonImage.ByteLevel(data.Tokens, data.TokenTypes, data.Merges!);
        JsonNode byteLevel = file["pre_tokenizer"]!.DeepClone();
        file["pre_tokenizer"] = new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, byteLevel) };
        TokenizerGoldenTests.AssertRows(Read(file), "golden/smollm2/tokenizer.jsonl");
    }

    [SharedTheory("golden/vocab")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void Published_vocabularies_agree_with_the_reference_in_every_text(string name)
    {
        TokenizerData data = VocabularyFile.Read(SharedFiles.PathOf($"golden/vocab/ggml-vocab-{name}.gguf"));
        JsonObject file = data.Model == "gpt2"
            ? TokenizerJsonImage.ByteLevel(data.Tokens, data.TokenTypes, data.Merges!)
            : TokenizerJsonImage.Marked(data.Tokens, data.TokenTypes!, data.Scores!, prepends: true);
        foreach (JsonNode? token in file["added_tokens"]!.AsArray())
            token!["rstrip"] = data.TakesSpaceAfter.Contains((int)token["id"]!);
        TokenizerGoldenTests.AssertVocabulary(Read(file), name);
    }

    [Fact]
    public void Nothing_is_taken_for_the_end_that_the_files_do_not_name()
    {
        JsonObject file = TokenizerJsonImage.Marked(["<pad>", "<eos>", "<bos>", "\u2581", "a"], [3, 3, 3, 1, 1], [0, 0, 0, 0, 0], prepends: false);
        Assert.Equal((null, null), (Read(file).BosId, Read(file).EosId));
        Assert.Equal([1], Read(file).EndOfGenerationIds); // by its name
    }

    [Fact]
    public void Specials_come_from_the_post_processor_and_the_configuration()
    {
        JsonObject file = Small();
        file["post_processor"] = JsonNode.Parse(
            """{"type":"Sequence","processors":[{"type":"ByteLevel"},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]}]}""");
        Tokenizer tokenizer = TokenizerFactory.FromTokenizerJson(Utf8(file), """{"bos_token":{"content":"<s>"},"eos_token":"</s>","add_bos_token":false}"""u8.ToArray(), [4]);
        Assert.Equal((3, 5, true, false), (tokenizer.BosId, tokenizer.EosId, tokenizer.AddBos, tokenizer.AddEos));
        Assert.Equal([4, 5], tokenizer.EndOfGenerationIds);
        Assert.Equal(TokenKind.Unused, tokenizer.KindOf(6)); // a row of the embedding without a token
        Assert.Equal([3, 0, 1], tokenizer.Encode("<s>ab", allowSpecial: true).Ids);
        Assert.DoesNotContain(3, tokenizer.Encode("<s>ab", allowSpecial: false).Ids);
    }

    /// <summary>Ids: 0 mark, 1 a, 2 mark and a, 3 special.</summary>
    [Theory]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"M"},{"type":"Replace","pattern":{"String":" "},"content":"M"}]}""", "null", "a<s>a a", new[] { 2, 3, 2, 2 })]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"M"},{"type":"Replace","pattern":{"String":" "},"content":"M"}]}""", "null", " a", new[] { 0, 2 })]
    [InlineData("""{"type":"Replace","pattern":{"String":" "},"content":"M"}""", """{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""", "a<s>a a", new[] { 1, 3, 1, 2 })]
    [InlineData("null", """{"type":"Metaspace","replacement":"M","prepend_scheme":"first","split":false}""", "a<s>a a", new[] { 2, 3, 1, 2 })]
    [InlineData("null", """{"type":"Metaspace","replacement":"M","prepend_scheme":"always","split":false}""", " a<s>a", new[] { 2, 3, 2 })]
    [InlineData("null", """{"type":"Metaspace","replacement":"M","add_prefix_space":false,"split":false}""", "a a", new[] { 1, 2 })]
    public void Marks_stand_for_spaces_where_the_file_puts_them(string normalizer, string cutter, string text, int[] ids)
    {
        JsonObject file = TokenizerJsonImage.Marked(["\u2581", "a", "\u2581a", "<s>"], [1, 1, 1, 3], [0, 0, 1, 0], prepends: true);
        file["normalizer"] = JsonNode.Parse(normalizer.Replace("\"M\"", "\"\u2581\"", StringComparison.Ordinal));
        file["pre_tokenizer"] = JsonNode.Parse(cutter.Replace("\"M\"", "\"\u2581\"", StringComparison.Ordinal));
        Assert.Equal(ids, Read(file).Encode(text, allowSpecial: true).Ids);
    }

    [Fact]
    public void Tokens_take_the_templates_white_space_with_them_where_the_file_says_so()
    {
        JsonObject file = Small();
        file["added_tokens"]![0]!["rstrip"] = true;
        file["added_tokens"]![1]!["lstrip"] = true;
        Tokenizer tokenizer = Read(file);
        Assert.Equal([3, 0, 4, 1], tokenizer.Encode("<s>\n a \n<x>b", allowSpecial: true).Ids);
    }

    [Theory]
    [InlineData("model.type", "\"WordPiece\"", "BPE")]
    [InlineData("model.vocab", "[]", "object")]
    [InlineData("model.vocab", """{"a":-1}""", "id from 0")]
    [InlineData("model.vocab", """{"a":99999999}""", "id from 0")]
    [InlineData("model.vocab", """{"a":4000000}""", "ids up to")]
    [InlineData("model.vocab", """{"a":0,"b":0}""", "gives id 0")]
    [InlineData("model.vocab", """{"\ud800":0}""", "UTF-16")]
    [InlineData("model.merges", """["ab"]""", "two tokens")]
    [InlineData("model.merges", """[["a"]]""", "left")]
    [InlineData("model.merges", """[["a","b c"]]""", "left")]
    [InlineData("model.merges", "null", "missing")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "</w>")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "Whitespace")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true}""", "add_prefix_space")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},{"type":"Digits","individual_digits":true}]}""", "in front")]
    [InlineData("pre_tokenizer", "null", "U+2581")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":7}""", "list")]
    [InlineData("normalizer", """{"type":"NFKC"}""", "NFKC")]
    [InlineData("post_processor", """{"type":"BertProcessing"}""", "BertProcessing")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<nobody>"}}]}""", "no token")]
    [InlineData("added_tokens", """[{"id":0}]""", "content")]
    [InlineData("added_tokens", """[{"id":0,"content":"x"}]""", "id 0")]
    [InlineData("added_tokens", """[{"id":8,"content":"x"},{"id":8,"content":"z"}]""", "id 8")]
    [InlineData("added_tokens", """[{"id":-4,"content":"x"}]""", "-4")]
    [InlineData("added_tokens", """[{"id":7,"content":"x","single_word":true}]""", "single_word")]
    public void What_is_not_supported_is_named(string path, string value, string named)
    {
        JsonObject file = Small();
        string[] names = path.Split('.');
        JsonObject owner = names.Length == 1 ? file : file[names[0]]!.AsObject();
        owner[names[^1]] = "\u0001";
        byte[] json = Encoding.UTF8.GetBytes(file.ToJsonString().Replace("\"\\u0001\"", value, StringComparison.Ordinal));
        Assert.Contains(named, Assert.Throws<ModelFileException>(() => TokenizerFactory.FromTokenizerJson(json)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stop_that_is_no_token_is_refused() =>
        Assert.Equal("eos_token_id", Assert.Throws<ModelFileException>(() => TokenizerFactory.FromTokenizerJson(Utf8(Small()), null, [77])).Field);

    [Fact]
    public void Mutated_files_are_read_or_refused()
    {
        string seed = Small(Llama3Pattern).ToJsonString();
        string[] values = ["0", "-1", "7", "1e9", "null", "true", "\"\"", "\"a\"", "[]", "{}", "[1]", "\"\\ud800\"", "\"NFC\"", "\"Sequence\"", "\"Metaspace\"", "\"ByteLevel\"", "\"Split\"", "4194303"];
        int read = 0;
        for (int number = 0; number < 20_000; number++)
        {
            var random = new Random(number);
            string json = seed;
            for (int times = random.Next(1, 4); times > 0; times--)
            {
                int at = json.IndexOf(':', random.Next(json.Length));
                int end = at < 0 ? -1 : json.AsSpan(at + 1).IndexOfAny(",}]") + at + 1;
                json = end > at ? string.Concat(json.AsSpan(0, at + 1), values[random.Next(values.Length)], json.AsSpan(end)) : json[..random.Next(json.Length)];
            }

            try
            {
                Tokenizer tokenizer = TokenizerFactory.FromTokenizerJson(Encoding.UTF8.GetBytes(json));
                EncodedText encoded = tokenizer.Encode("ab <s>ba\u00e4\ud800", allowSpecial: true);
                _ = tokenizer.Decode(encoded.Ids, skipSpecial: false);
                read++;
            }
            catch (ModelFileException error) when (error.Field.Length > 0)
            {
            }
            catch (Exception error)
            {
                Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"File {number}: {json}: {error}"));
            }
        }

        Assert.InRange(read, 200, 19_000);
    }

    private static JsonObject Small(string? pattern = null)
    {
        JsonObject file = TokenizerJsonImage.ByteLevel(["a", "b", "\u0120"], null, ["a b"], pattern);
        file["added_tokens"] = JsonNode.Parse(
            """[{"id":3,"content":"<s>","special":true},{"id":4,"content":"<x>","special":true},{"id":5,"content":"</s>","special":true},{"id":7,"content":"<y>","special":false}]""");
        return file;
    }

    private static Tokenizer Read(JsonObject file) => TokenizerFactory.FromTokenizerJson(Utf8(file));

    private static byte[] Utf8(JsonObject file) => Encoding.UTF8.GetBytes(file.ToJsonString());
}
