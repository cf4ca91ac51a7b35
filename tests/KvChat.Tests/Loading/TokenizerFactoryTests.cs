using KvChat.Runtime.Models;
using KvChat.Runtime.Text;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Loading;

/// <summary>A tokeniser of the user's in place of the model's own.</summary>
public sealed class TokenizerFactoryTests
{
    [Fact]
    public async Task The_tokeniser_of_the_options_reads_every_prompt()
    {
        List<Recorder> made = [];
        await using var client = new KvCompressChatClient(new KvCompressChatOptions { CacheBytes = 16 << 20, TokenizerFactory = own => Add(new Recorder(own)) });
        ChatResponse response = await client.GetResponseAsync(EmbeddedClient.Ask(6), new ChatOptions { Temperature = 0 });
        Assert.Equal(EmbeddedClient.Answer, response.Text);
        Recorder recorder = Assert.Single(made);
        Assert.Contains(recorder.Texts, text => text.Contains(EmbeddedClient.Question, StringComparison.Ordinal));
        var model = (LoadedModel)client.GetService(typeof(LoadedModel))!;
        Assert.Same(recorder, model.Tokenizer);

        Recorder Add(Recorder one)
        {
            made.Add(one);
            return one;
        }
    }

    [Fact]
    public async Task A_factory_that_gives_no_tokeniser_is_an_error() => Assert.Contains("no tokeniser", await Refusal(static _ => null!), StringComparison.Ordinal);

    [Fact]
    public async Task A_tokeniser_of_more_tokens_than_the_model_has_is_an_error() =>
        Assert.Contains("The Recorder has 9999999 tokens", await Refusal(static own => new Recorder(own) { Size = 9_999_999 }), StringComparison.Ordinal);

    private static async Task<string> Refusal(Func<Tokenizer, Tokenizer> factory)
    {
        await using var client = new KvCompressChatClient(new KvCompressChatOptions { CacheBytes = 16 << 20, TokenizerFactory = factory });
        return (await Assert.ThrowsAsync<ArgumentException>(() => client.EnsureLoadedAsync())).Message;
    }

    private sealed class Recorder(Tokenizer own) : Tokenizer
    {
        public List<string> Texts { get; } = [];

        public int? Size { get; init; }

        public override int VocabularySize => Size ?? own.VocabularySize;

        public override int? BosId => own.BosId;

        public override int? EosId => own.EosId;

        public override IReadOnlyList<int> EndOfGenerationIds => own.EndOfGenerationIds;

        public override bool AddBos => own.AddBos;

        public override bool AddEos => own.AddEos;

        public override bool StripsLeadingSpace => own.StripsLeadingSpace;

        public override TokenKind KindOf(int id) => own.KindOf(id);

        public override string TextOf(int id) => own.TextOf(id);

        public override ReadOnlySpan<byte> BytesOf(int id) => own.BytesOf(id);

        public override int? Find(string tokenText) => own.Find(tokenText);

        public override EncodedText Encode(RenderedText text)
        {
            lock (Texts)
                Texts.Add(text.Text);
            return own.Encode(text);
        }
    }
}
