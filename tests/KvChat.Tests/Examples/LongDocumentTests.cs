using System.Xml.Linq;
using LongDocument;

namespace KvChat.Tests.Examples;

/// <summary>The example runs as it is shipped, on the model that travels with the library.</summary>
public sealed class LongDocumentTests
{
    [Fact]
    public void The_main_job_ends_with_a_picture()
    {
        string picture = Path.Combine(Path.GetTempPath(), $"kvchat-{Guid.NewGuid():N}.svg");
        try
        {
            int code = CommandLine.Create().Parse(["--sessions", "2", "--compression", "1", "--compression", "8", "--picture", picture]).Invoke();
            Assert.Equal(0, code);
            Assert.Equal("svg", XDocument.Load(picture).Root!.Name.LocalName);
        }
        finally
        {
            File.Delete(picture);
        }
    }

    [Fact]
    public void A_budget_that_holds_no_document_is_said_and_not_an_error()
    {
        string picture = Path.Combine(Path.GetTempPath(), $"kvchat-{Guid.NewGuid():N}.svg");
        Assert.Equal(0, CommandLine.Create().Parse(["--sessions", "1", "--compression", "1", "--cache-mb", "1", "--picture", picture]).Invoke());
        Assert.False(File.Exists(picture));
    }

    [Theory]
    [InlineData("--ask", "Who?")]
    [InlineData("--compression", "0")]
    [InlineData("--document", "/no/such/file")]
    [InlineData("--cuda-products", "theirs")]
    public void Wrong_options_are_refused(string option, string value)
    {
        Assert.NotEmpty(CommandLine.Create().Parse([option, value]).Errors);
    }

    [Theory]
    [InlineData("own")]
    [InlineData("auto")]
    [InlineData("cublas")]
    public void Device_and_products_can_be_named(string products) => Assert.Empty(CommandLine.Create().Parse(["--backend", "cuda", "--cuda-device", "1", "--cuda-products", products]).Errors);

    [Fact]
    public void Every_document_that_is_shipped_holds_the_answers_of_its_questions()
    {
        IReadOnlyList<Document> documents = Document.Read(Document.Shipped);
        Assert.All(documents, d => Assert.All(d.Questions, q => Assert.Contains(q.Value, d.Text, StringComparison.Ordinal)));
        Assert.Contains(documents, d => d.Questions.Count >= Turns.Most);
    }

    [Fact]
    public void A_picture_has_a_cell_for_every_head()
    {
        string picture = Path.Combine(Path.GetTempPath(), $"kvchat-{Guid.NewGuid():N}.svg");
        try
        {
            HeadPicture.Write(picture, "<title> & more", [.. Enumerable.Range(0, 30 * 3)], 3, 100);
            Assert.Equal(90, XDocument.Load(picture).Descendants().Count(e => e.Name.LocalName == "title"));
        }
        finally
        {
            File.Delete(picture);
        }
    }
}
