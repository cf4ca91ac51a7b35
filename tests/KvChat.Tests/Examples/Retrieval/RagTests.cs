using Rag;
using Rag.Answers;
using Rag.Reading;
using Rag.Search;
using UglyToad.PdfPig.Content;
using UglyToad.PdfPig.Core;
using UglyToad.PdfPig.Fonts.Standard14Fonts;
using UglyToad.PdfPig.Writer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace KvChat.Tests.Examples.Retrieval;

/// <summary>The RAG example as it is shipped, with few of its questions.</summary>
public sealed class RagTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-rag-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task All_ways_answer_and_passages_with_their_sources()
    {
        string[] few = ["ledger-02.md", "ledger-06.html", "ledger-10.txt"];
        foreach (string name in few)
            File.Copy(Path.Combine(RagOptions.Find("rag/documents"), name), Path.Combine(_folder, name));
        string about = Path.Combine(_folder, "questions.jsonl");
        File.WriteAllLines(about, few.Select(f => File.ReadLines(RagOptions.Find("rag/questions.jsonl")).First(l => l.Contains(f, StringComparison.Ordinal))));
        using IHost host = RagProgram.Build(["--folder", _folder, "--questions", about, "--users", "3", "--retained", "1"]);
        await host.StartAsync();
        RagOptions options = host.Services.GetRequiredService<RagOptions>();
        IReadOnlyList<KnownQuestion> questions = KnownQuestion.Read(options.Questions);
        Dictionary<string, Outcome> outcomes = [];
        foreach (IAnswerer way in host.Services.GetServices<IAnswerer>().Where(w => w.Name != "resident"))
            outcomes[way.Name] = await Comparison.RunAsync(way, questions, options.Users, CancellationToken.None);
        await host.StopAsync();
        Assert.Equal((3, 3, 3), (outcomes["passages"].Asked, outcomes["passages"].Right, outcomes["passages"].CitedRight));
        Outcome verified = outcomes["verified"];
        Assert.Equal((3, 3), (verified.Asked, verified.Right));
        Assert.True(verified.Preparation.TokensRead > 6_000 && verified.Preparation.ResidentBytes > 0);
        Assert.True(verified.TokensRead < outcomes["passages"].TokensRead / 4, "a question about a resident document reads only itself");
    }

    [Fact]
    public async Task One_question_is_answered_with_its_source()
    {
        using StringWriter output = new(), errors = new();
        Assert.Equal(0, await RagProgram.RunAsync(["--way", "passages", "--ask", "Which badge does Mara Sioshouth wear?"], output, errors));
        Assert.Contains("The badge of Mara Sioshouth is 7634-9555.", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("[ledger-01.txt, passage ", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no folder", "--folder", "/no/such/folder")]
    [InlineData("Way", "--way", "sideways")]
    [InlineData("Users", "--users", "0")]
    public async Task Wrong_settings_are_said(string named, params string[] args)
    {
        using StringWriter output = new(), errors = new();
        Assert.Equal(1, await RagProgram.RunAsync(args, output, errors));
        Assert.Contains(named, errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_question_that_is_shipped_can_be_answered_from_its_folder()
    {
        string text = string.Join('\n', DocumentFolder.Read(RagOptions.Find("rag/documents")).Select(d => d.Text));
        IReadOnlyList<KnownQuestion> questions = KnownQuestion.Read(RagOptions.Find("rag/questions.jsonl"));
        Assert.True(questions.Count > 30);
        Assert.All(questions, q => Assert.Contains(q.Value, text, StringComparison.Ordinal));
    }

    [Fact]
    public void Marks_of_markdown_and_tags_of_html_are_no_text()
    {
        Assert.Equal(
            ["Title here", "A bold word and a link, snake_case_stays.", "quoted", "item one item two", "code_stays = 1"],
            MarkdownText.Paragraphs("---\na: b\n---\n# Title here #\n\nA **bold** word and a [link](http://x.y/z \"t\"),\nsnake_case_stays.\n\n> quoted\n\n- item one\n- item two\n\n```c\ncode_stays = 1\n```\n<!-- not this -->\n"));
        Assert.Equal(
            ["One & two", "three < four", "cell", "no closing tag"],
            HtmlText.Paragraphs("<html><head><title>t</title></head><body><p>One &amp; <b>two</b></p><script>var x = '<p>no</p>';</script><div>three &lt; four<ul><li>cell</ul><p>no closing tag"));
    }

    [Fact]
    public void A_folder_of_all_kinds_is_read_in_order_with_pdf()
    {
        var pdf = new PdfDocumentBuilder();
        PdfDocumentBuilder.AddedFont font = pdf.AddStandard14Font(Standard14Font.Helvetica);
        pdf.AddPage(PageSize.A4).AddText("The colour of the pump is amber.", 12, new PdfPoint(50, 700), font);
        File.WriteAllBytes(Path.Combine(_folder, "d.pdf"), pdf.Build());
        File.WriteAllText(Path.Combine(_folder, "a.txt"), "one\n\ntwo\nlines");
        File.WriteAllText(Path.Combine(_folder, "b.md"), "*three*");
        File.WriteAllText(Path.Combine(_folder, "c.html"), "<p>four");
        File.WriteAllText(Path.Combine(_folder, "ignored.json"), "{}");
        IReadOnlyList<SourceDocument> documents = DocumentFolder.Read(_folder);
        Assert.Equal(["a.txt", "b.md", "c.html", "d.pdf"], documents.Select(d => d.Name));
        Assert.Equal(["one\n\ntwo lines", "three", "four", "The colour of the pump is amber."], documents.Select(d => d.Text));
    }

    [Fact]
    public void A_broken_pdf_is_named()
    {
        File.WriteAllText(Path.Combine(_folder, "broken.pdf"), "This is no PDF.");
        Assert.Contains("broken.pdf", Assert.Throws<InvalidDataException>(() => DocumentFolder.Read(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rare_words_and_short_texts_come_first()
    {
        var index = new Bm25Index<string>(["the pump and the mill and the pump", "the mill", "the harbour at the river, the long one by the old mill and the pump", "nothing"], t => t);
        Assert.Equal(["the harbour at the river, the long one by the old mill and the pump"], index.Search("Harbour?", 5).Select(f => f.Item));
        Assert.Equal("the mill", index.Search("mill", 5)[0].Item);
        Assert.Equal("the pump and the mill and the pump", index.Search("pump", 5)[0].Item);
        Assert.Empty(index.Search("unknown", 5));
        Assert.Equal(2, index.Search("mill pump", 2).Count);
    }

    [Fact]
    public void Passages_keep_paragraphs_whole_and_lose_nothing()
    {
        var document = new SourceDocument("d", [.. Enumerable.Range(0, 40).Select(i => string.Join(' ', Enumerable.Repeat($"w{i}", 1 + (i % 9))))]);
        IReadOnlyList<Passage> passages = Passage.Split(document, 12);
        Assert.Equal(document.Text, string.Join("\n\n", passages.Select(p => p.Text)));
        Assert.All(passages, p => Assert.True(p.Text.Split(' ', '\n').Count(w => w.Length > 0) <= 12));
        Assert.Equal(Enumerable.Range(1, passages.Count), passages.Select(p => p.Number));
    }

    [Fact]
    public void A_citation_needs_what_the_answer_adds_and_what_the_question_is_about()
    {
        var document = new SourceDocument("d", ["The colour of the Quabran pump is amber. The colour of the Dushus mill is violet."]);
        var library = new Library([document], 100);
        Citation? found = library.Cite("What is the colour of the Dushus mill?", "The colour of the Dushus mill is violet.", library.Passages);
        Assert.Equal("The colour of the Dushus mill is violet", found?.Quote);
        Assert.Null(library.Cite("What is the colour of the Dushus mill?", "The colour of the Dushus mill is amber.", library.Passages));
        Assert.Null(library.Cite("What is the colour of the Dushus mill?", "The document does not say.", library.Passages));
    }
}
