using Microsoft.SemanticKernel;
using SemanticKernelPlugins;

namespace KvChat.SemanticKernelPlugins.Tests;

/// <summary>The example's conversation, by the kernel and by an agent.</summary>
public sealed class ConversationTests : IDisposable
{
    private readonly Kernel _kernel = Kernel.CreateBuilder().AddKvCompressChatClient(o => o.CacheBytes = 64 << 20).Build();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_model_answers_from_the_document_and_calls_the_plugins(bool isAgent)
    {
        var conversation = new Conversation(_kernel.Clone(), Ledger.Text(100), TimeProvider.System, TextWriter.Null);
        List<string> answers = [];
        await foreach (string answer in isAgent ? conversation.ByAgentAsync(Conversation.Questions) : conversation.ByKernelAsync(Conversation.Questions))
            answers.Add(answer);
        Assert.Equal("The gate code of the Dushus mill is 1202-1238.", answers[0]);
        Assert.Equal(["track_order", "search_document", "get_sum", "get_time"], conversation.Called);
        Assert.Contains("4471", answers[1], StringComparison.Ordinal);
        Assert.Contains("1202-1238", answers[2], StringComparison.Ordinal);
        Assert.Contains("42", answers[3], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Track the order of C8-7040.", "track_order")]
    [InlineData("Get the sum and the time of 17-25.", "get_sum,get_time")]
    [InlineData("What is the gate code of the Dushus mill?", "search_document,get_sum,get_time,track_order")]
    public void A_question_is_offered_the_plugins_that_it_names_or_all(string question, string expected)
    {
        var conversation = new Conversation(_kernel.Clone(), Ledger.Text(1), TimeProvider.System, TextWriter.Null);
        Assert.Equal(expected.Split(',').Order(), conversation.FunctionsFor(question).Select(f => f.Name).Order());
    }

    [Theory]
    [InlineData("17+25", "42")]
    [InlineData("1, 2 3", "6")]
    [InlineData("17-25", "42")]
    [InlineData("a", "a is no number")]
    public void Numbers_are_added(string query, string expected) => Assert.Equal(expected, new SumPlugin().Sum(query));

    [Fact]
    public void Documents_are_searched_and_orders_tracked()
    {
        Assert.Equal("1202-1238", new DocumentPlugin(Ledger.Text(10)).Search("dushus"));
        Assert.Equal("not found", new DocumentPlugin("a").Search("b"));
        Assert.Equal(("5093", "unknown"), (new OrderPlugin().Track("b1-2222"), new OrderPlugin().Track("x")));
    }

    public void Dispose() => (_kernel.Services as IDisposable)?.Dispose();
}
