using System.Xml.Linq;
using KvChat.Evaluation.Grid;
using KvChat.Evaluation.Tasks;
using KvChat.Kernels;
using KvChat.Quality;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Evaluation;

/// <summary>A grid's sums, files and floors.</summary>
public sealed class GridTests : IDisposable
{
    private static readonly GridCell s_full = new(CompressionPolicies.Off, 1, KvFormat.F16, CompressionQuery.Known, CompressionSchedule.AfterPrompt);
    private static readonly GridCell s_quarter = new("kv-compress", 0.25, KvFormat.F16, CompressionQuery.Known, CompressionSchedule.AfterPrompt);
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-grid").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Shares_are_counted_over_what_the_full_cache_answers()
    {
        GridRow row = Rows().Single(r => r.Cell == s_quarter);
        Assert.Equal((4, 0.5, 2.0 / 3, 0.25), (row.Asked, row.Score, row.OfFull!.Value, row.BytesOfFull)); // question 3, which the full cache misses, does not count
    }

    [Fact]
    public void The_product_has_the_full_cache_of_every_format_and_leaves_doubles_out()
    {
        IReadOnlyList<GridCell> cells = GridCell.Product(new GridAxes
        {
            Policies = ["off", "kv-compress"], Retained = [1, 0.5, 0.25], Formats = [KvFormat.F32], Queries = [CompressionQuery.Known, CompressionQuery.Unknown],
        });
        Assert.Equal(2 * (2 + 2), cells.Count);
        Assert.Equal(cells.Count, cells.Select(c => c.Key).Distinct().Count());
        Assert.Equal(s_full, cells[0]);
    }

    [Fact]
    public void Every_policy_allocator_and_pair_of_formats_is_a_cell_of_its_own_name()
    {
        IReadOnlyList<GridCell> cells = GridCell.Product(new GridAxes
        {
            Policies = ["kv-compress"], Allocators = [null, "uniform"], Retained = [0.5], Formats = [KvFormat.F16, KvFormat.K8V4], LowFormats = [null, KvFormat.K4V2],
        });
        Assert.Equal(2 + (2 * 2 * 2), cells.Count);
        Assert.Equal(cells.Count, cells.Select(c => c.Key).Distinct().Count());
        GridCell last = cells[^1];
        Assert.Equal(("kv-compress+uniform@0.5/k8v4-k4v2/known/after", "uniform", "global"), (last.Key, last.AllocatorName, cells[2].AllocatorName));
        Assert.Equal((KvFormat.K8V4, KvFormat.K4V2), (cells[^2].Compression().Format, cells[^2].Compression().LowFormat!.Value));
    }

    [Fact]
    public void Many_lines_of_a_picture_have_styles_of_their_own_and_a_legend_inside_it()
    {
        GridRow full = Rows()[0];
        GridRow[] rows = [full, .. Enumerable.Range(0, 40).Select(i => Rows()[1] with { Cell = s_quarter with { Allocator = $"a{i}" } })];
        XElement svg = XElement.Parse(QualityPlot.Draw("many", rows));
        string[] styles = [.. svg.Elements().Where(e => e.Name.LocalName == "polyline").Select(e => $"{e.Attribute("stroke")!.Value} {e.Attribute("stroke-dasharray")?.Value}")];
        Assert.Equal(40, styles.Distinct().Count());
        double height = double.Parse(svg.Attribute("viewBox")!.Value.Split(' ')[3], System.Globalization.CultureInfo.InvariantCulture);
        Assert.All(svg.Elements().Where(e => e.Name.LocalName == "text"), t => Assert.True(double.Parse(t.Attribute("y")!.Value, System.Globalization.CultureInfo.InvariantCulture) < height));
    }

    [Fact]
    public void Csv_has_a_field_for_every_column()
    {
        string[] lines = GridReport.Csv(Rows()).TrimEnd('\n').Split('\n');
        Assert.Equal(3, lines.Length);
        Assert.All(lines, l => Assert.Equal(GridRow.Columns.Count, l.Split(',').Length));
        Assert.Contains("set,kv-compress,global,0.25,f16,,known,after,4,0.5,0.6667,1,250,0.25,300,", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_shows_a_policy_a_line_and_a_share_a_column()
    {
        string text = GridReport.Markdown(Rows());
        Assert.Contains("| policy | allocator | format | 1x | 4x |", text, StringComparison.Ordinal);
        Assert.Contains("| kv-compress | global | F16 |  | 66.7 |", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_are_well_formed_and_have_a_line_for_every_policy()
    {
        GridReport.Write(_folder, Rows());
        XDocument svg = XDocument.Load(Path.Combine(_folder, "set-known.svg"));
        Assert.Single(svg.Descendants(), e => e.Name.LocalName == "polyline");
        Assert.Contains(svg.Descendants(), e => e.Name.LocalName == "text" && e.Value == "kv-compress global F16");
    }

    [Fact]
    public void A_run_goes_on_from_a_file_that_ends_in_the_middle_of_a_line()
    {
        string path = Path.Combine(_folder, "answers.jsonl");
        using (var file = new GridFile<GridAnswer>(path, a => a.Key))
        {
            file.Add(Answer(s_full, 0, 1, 1000));
            file.Add(Answer(s_full, 1, 1, 1000));
        }

        File.WriteAllText(path, File.ReadAllText(path)[..^20]);
        using (var file = new GridFile<GridAnswer>(path, a => a.Key))
        {
            Assert.True(file.Has(Answer(s_full, 0, 0, 0).Key));
            Assert.False(file.Has(Answer(s_full, 1, 0, 0).Key));
            file.Add(Answer(s_full, 1, 0.5, 1000));
        }

        using var again = new GridFile<GridAnswer>(path, a => a.Key);
        Assert.Equal([1, 0.5], again.Rows.OrderBy(r => r.Question).Select(r => r.Score));
    }

    [Fact]
    public async Task Results_of_another_seed_are_not_mixed_in()
    {
        GridSettings settings = new() { Model = KvCompressChatOptions.EmbeddedModel, Output = _folder, Generate = ["longdoc"], Lengths = [300], Limit = 1, CacheBytes = 64L << 20 };
        await GridJob.MeasureAsync(settings, CancellationToken.None);
        FormatException error = await Assert.ThrowsAsync<FormatException>(() => GridJob.MeasureAsync(settings with { Seed = 2 }, CancellationToken.None));
        Assert.Contains("--out", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_quick_grid_holds_its_floors()
    {
        GridSettings settings = QuickGrid.Settings(new GridSettings { Model = "", Output = _folder, CacheBytes = 512L << 20 });
        IReadOnlyList<GridRow> rows = (await GridJob.MeasureAsync(settings, CancellationToken.None)).Rows;
        Assert.Empty(QuickGrid.Missed(rows));
        Assert.NotEmpty(QuickGrid.Missed([.. rows.Select(r => r with { OfFull = r.OfFull * 0.8 })])); // floors are not so low that nothing misses them
        Assert.NotEmpty(QuickGrid.Missed([.. rows.Skip(2)]));
    }

    [Fact]
    public async Task The_full_cache_is_like_itself_and_a_compressed_one_less_so()
    {
        GridSettings settings = new()
        {
            Model = KvCompressChatOptions.EmbeddedModel, Output = _folder, Generate = ["longdoc"], Lengths = [300], Limit = 1, CacheBytes = 64L << 20,
            Axes = new GridAxes { Policies = ["kv-compress"], Retained = [0.5, 0.125] }, TextTokens = 1000,
        };
        TextLikeness[] likeness = [.. (await GridJob.MeasureAsync(settings, CancellationToken.None)).Rows.Where(r => r.Likeness is not null).OrderByDescending(r => r.Cell.Retained).Select(r => r.Likeness!)];
        Assert.Equal((0.0, 1.0, 128), (likeness[0].Divergence, likeness[0].SameTop, likeness[0].Tokens));
        Assert.InRange(likeness[1].Divergence, 1e-9, likeness[2].Divergence);
        Assert.InRange(likeness[2].SameTop, 0.3, 0.999);
        Assert.True(likeness[2].Bytes < likeness[1].Bytes);
    }

    [Fact]
    public async Task A_document_is_read_once_for_all_cells_and_their_answers_are_those_of_caches_of_their_own()
    {
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { CacheBytes = 64L << 20, HoldFinishedSequences = false });
        TaskSet set = TaskNames.Generate("longdoc", 400, 1, 2, 1, text => text.Split(' ').Length);
        GridCell[] cells =
        [
            s_full, s_full with { Query = CompressionQuery.Unknown }, s_quarter, s_quarter with { Query = CompressionQuery.Unknown },
            s_quarter with { Retained = 0.5, Query = CompressionQuery.Unknown }, s_quarter with { Policy = "keydiff" },
            s_quarter with { Policy = "keydiff", Query = CompressionQuery.Unknown },
        ];
        using (var file = new GridFile<GridAnswer>(Path.Combine(_folder, "answers.jsonl"), a => a.Key))
        {
            await new GridRunner(client, 4).RunAsync([set], cells, file, CancellationToken.None);
            Assert.Equal(cells.Length * 2, file.Rows.Count);
            foreach (GridAnswer answer in file.Rows)
                Assert.Equal(await AskAnew(client, set, cells.Single(c => c.Key == answer.Cell), answer.Question), answer.Answer);
            Assert.Equal(2, file.Rows.Where(a => a.Cell.StartsWith("keydiff", StringComparison.Ordinal)).Select(a => a.Seconds).Distinct().Count()); // known and unknown are one measurement
            Assert.All(file.Rows, a => Assert.Equal(a.Cell.StartsWith("off", StringComparison.Ordinal), a.Kept == 1));
        }

        using var copies = new DocumentCopies(client, set.Documents[0].Text, set.System);
        foreach (GridCell cell in cells)
            await copies.OfAsync(cell, CancellationToken.None);
        Assert.Equal(1, copies.Readings);
        Assert.Equal([false, false, false, true, true, true, true], cells.Select(DocumentCopies.IsCopied));
    }

    [Fact]
    public async Task A_run_whose_time_is_up_says_so_and_the_next_one_ends_it()
    {
        GridSettings settings = new()
        {
            Model = KvCompressChatOptions.EmbeddedModel, Output = _folder, Generate = ["longdoc"], Lengths = [300], Limit = 2, CacheBytes = 64L << 20, MostTime = TimeSpan.Zero,
        };
        GridResult first = await GridJob.MeasureAsync(settings, CancellationToken.None), second = await GridJob.MeasureAsync(settings with { MostTime = null }, CancellationToken.None);
        Assert.Equal((false, 0, true, 2), (first.IsComplete, first.Rows.Count, second.IsComplete, Assert.Single(second.Rows).Asked));
    }

    [Fact]
    public async Task Passages_of_a_text_are_measured_apart_and_counted_together()
    {
        GridSettings settings = new()
        {
            Model = KvCompressChatOptions.EmbeddedModel, Output = _folder, Generate = ["longdoc"], Lengths = [300], Limit = 1, CacheBytes = 64L << 20,
            Axes = new GridAxes { Policies = ["kv-compress"], Retained = [0.25] }, TextTokens = 500, TextPassages = 2,
        };
        GridRow[] rows = [.. (await GridJob.MeasureAsync(settings, CancellationToken.None)).Rows.Where(r => r.Likeness is not null)];
        Assert.Equal([("ledger-500", 256), ("ledger-500", 256)], rows.Select(r => (r.Set, r.Likeness!.Tokens)));
        Assert.InRange(rows[1].BytesOfFull, 0.2, 0.4);
        Assert.Contains("| kv-compress | global | F16 | 0.25 | ", File.ReadAllText(Path.Combine(_folder, "grid.md")), StringComparison.Ordinal);
        using var file = new GridFile<TextLikeness>(Path.Combine(_folder, "text.jsonl"), l => l.Key);
        TextLikeness[] quarter = [.. file.Rows.Where(l => l.Cell == s_quarter.Key).OrderBy(l => l.Passage)];
        Assert.NotEqual(quarter[0].Divergence, quarter[1].Divergence);
        Assert.Equal((quarter[0].Divergence + quarter[1].Divergence) / 2, rows[1].Likeness!.Divergence, 9);
    }

    private static async Task<string> AskAnew(KvCompressChatClient client, TaskSet set, GridCell cell, int question)
    {
        bool copied = DocumentCopies.IsCopied(cell);
        using KvDocument document = await client.PrepareDocumentAsync(set.Documents[0].Text, new KvDocumentOptions
        {
            Instructions = set.System, Compression = copied ? cell.Compression() : KvCompression.Off,
        });
        ChatOptions options = new ChatOptions { Instructions = set.System, Temperature = 0, MaxOutputTokens = set.AnswerTokens };
        ChatMessage ask = new(ChatRole.User, [document.AsContent(), new TextContent(set.Documents[0].Questions[question].Text)]);
        return (await client.GetResponseAsync([ask], copied ? options : options.WithKvCompression(cell.Compression()))).Text;
    }

    [Fact]
    public void A_table_takes_rows_of_enough_questions_and_keeps_what_was_not_measured_again()
    {
        string path = Path.Combine(_folder, "m.kvquality.json");
        var tokens = new Dictionary<string, int> { ["set"] = 3990, ["few"] = 3990 };
        GridRow[] rows = [.. Rows().Select(r => r with { Asked = 40 })];
        GridTable.Add(path, "M", "grid", GridTable.Of(rows, tokens));
        GridTable.Add(path, "M", "grid", GridTable.Of([rows[1] with { OfFull = 0.9 }, rows[1] with { Set = "few", Asked = 39 }], tokens));
        QualityTable table = QualityTableFile.Read(path, "M")!;
        Assert.Equal([("off", 1.0, 1.0), ("kv-compress", 0.25, 0.9)], table.Rows.Select(r => (r.Policy, r.Retained, r.OfFull)));
        Assert.All(table.Rows, r => Assert.Equal((3990, QualityQuery.Known, 40), (r.Tokens, r.Query, r.Asked)));
        Assert.Contains("40 questions", Assert.Throws<FormatException>(() => GridTable.Add(path, "M", "grid", GridTable.Of([rows[1] with { Asked = 39 }], tokens))).Message, StringComparison.Ordinal);
        Assert.Throws<ModelFileException>(() => GridTable.Add(path, "N", "grid", GridTable.Of(rows, tokens)));
    }

    private static IReadOnlyList<GridRow> Rows() => GridRow.Of([s_full, s_quarter], ["set"],
    [
        Answer(s_full, 0, 1, 1000), Answer(s_full, 1, 1, 1000), Answer(s_full, 2, 1, 1000), Answer(s_full, 3, 0, 1000),
        Answer(s_quarter, 0, 1, 250), Answer(s_quarter, 1, 0, 250), Answer(s_quarter, 2, 1, 250), Answer(s_quarter, 3, 0, 250),
    ], []);

    private static GridAnswer Answer(GridCell cell, int question, double score, long bytes) => new("set", "000", question, cell.Key, score, bytes, bytes + 50, 0.1, "answer");
}
