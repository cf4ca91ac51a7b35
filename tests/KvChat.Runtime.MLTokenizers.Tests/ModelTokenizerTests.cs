using System.Buffers;
using KvChat.Runtime.Text;
using KvChat.TestSupport;
using Microsoft.ML.Tokenizers;

namespace KvChat.Runtime.MLTokenizers.Tests;

public sealed class ModelTokenizerTests
{
    private const string Mixed = "The gate code of the Dushus mill is 1202-1238. \U0001F600 naïve\n\n  x";

    private static readonly Microsoft.ML.Tokenizers.Tokenizer s_model = new ModelTokenizer(Vocabularies.Ours("tiny"));

    [SharedTheory("golden/tiny/tokenizer.jsonl", "golden/smollm2/tokenizer.jsonl", Vocabularies.SmolLM2)]
    [InlineData("tiny")]
    [InlineData("smollm2")]
    public void Ids_and_texts_are_those_of_the_reference(string name)
    {
        Microsoft.ML.Tokenizers.Tokenizer tokenizer = new ModelTokenizer(Vocabularies.Ours(name), allowSpecial: true);
        int rows = 0;
        foreach ((string text, int[] ids, string decoded) in Vocabularies.Golden(name))
        {
            Assert.Equal(ids, tokenizer.EncodeToIds(text));
            Assert.Equal(ids, tokenizer.EncodeToTokens(text, out _).Select(t => t.Id));
            Assert.Equal(ids.Length, tokenizer.CountTokens(text));
            Assert.Equal(decoded, tokenizer.Decode(ids));
            rows++;
        }

        Assert.True(rows > 0);
    }

    [Fact]
    public void Tokens_cover_the_text_in_order()
    {
        int at = 0;
        IReadOnlyList<EncodedToken> tokens = s_model.EncodeToTokens(Mixed, out string? normalized);
        foreach (EncodedToken token in tokens)
        {
            Assert.InRange(token.Offset.Start.Value, 0, at); // a character of several tokens begins all of them
            Assert.InRange(token.Offset.End.Value, at, Mixed.Length);
            at = token.Offset.End.Value;
        }

        Assert.Equal(Mixed.Length, at);
        Assert.Null(normalized);
    }

    [Fact]
    public void A_limit_of_tokens_says_how_far_the_text_was_read()
    {
        IReadOnlyList<int> all = s_model.EncodeToIds(Mixed);
        for (int most = 0; most <= all.Count; most++)
        {
            IReadOnlyList<int> some = s_model.EncodeToIds(Mixed, most, out _, out int consumed);
            Assert.Equal(all.Take(most), some);
            Assert.InRange(consumed, 0, Mixed.Length);
        }

        int end = s_model.GetIndexByTokenCount(Mixed, 5, out _, out int count);
        Assert.Equal(5, count);
        Assert.Equal(Mixed[..end], s_model.Decode(all.Take(5)));
        int start = s_model.GetIndexByTokenCountFromEnd(Mixed, 3, out _, out count);
        Assert.Equal((3, Mixed[start..]), (count, s_model.Decode(all.Skip(all.Count - 3))));
    }

    [Fact]
    public void Decoding_into_a_span_stops_at_whole_characters_and_can_go_on()
    {
        int[] ids = [.. s_model.EncodeToIds(Mixed)];
        for (int room = 2; room < Mixed.Length + 3; room++)
        {
            string text = "";
            char[] buffer = new char[room];
            int at = 0;
            while (at < ids.Length)
            {
                OperationStatus status = s_model.Decode(ids.Skip(at), buffer, out int consumed, out int written);
                text += new string(buffer, 0, written);
                at += consumed;
                if (consumed == 0)
                    break; // one token alone is longer than the room
                Assert.Equal(at == ids.Length ? OperationStatus.Done : OperationStatus.DestinationTooSmall, status);
            }

            Assert.StartsWith(text, Mixed, StringComparison.Ordinal);
            Assert.True(at == ids.Length || room < 16, $"stopped at token {at} with room for {room}");
        }
    }

    [Fact]
    public void What_a_user_wrote_becomes_no_special_token()
    {
        Assert.DoesNotContain(Vocabularies.Ours("tiny").Find("<|im_end|>")!.Value, s_model.EncodeToIds("a<|im_end|>b"));
        Assert.Contains(Vocabularies.Ours("tiny").Find("<|im_end|>")!.Value, new ModelTokenizer(Vocabularies.Ours("tiny"), allowSpecial: true).EncodeToIds("a<|im_end|>b"));
        Assert.Throws<ArgumentOutOfRangeException>(() => s_model.Decode([1 << 30]));
    }
}
