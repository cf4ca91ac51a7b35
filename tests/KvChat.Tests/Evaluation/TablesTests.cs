using KvChat.Evaluation.Grid;
using KvChat.Evaluation.Tables;
using KvChat.Runtime.Compression;

namespace KvChat.Tests.Evaluation;

/// <summary>The big tables: what they are made of, and that runs that are ended go on.</summary>
public sealed class TablesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-tables").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_policy_share_length_and_kind_is_in_the_embedded_models_tables()
    {
        IReadOnlyList<TablePart> parts = TablePlan.Embedded(1);
        foreach (string set in (string[])["longdoc-1k", "prose-1k", "longdoc-2k", "prose-2k", "longdoc-4k", "prose-4k", "longdoc-7k", "prose-7k"])
        {
            GridSettings settings = Assert.Single(parts, p => p.Name == set).Settings;
            Assert.True(settings.Limit >= 40);
            ILookup<(string, CompressionQuery), double> shares = settings.Cells.ToLookup(c => (c.Policy, c.Query), c => c.Retained);
            foreach (string policy in CompressionPolicies.Names.Where(p => p != CompressionPolicies.Off))
            {
                foreach (CompressionQuery query in Enum.GetValues<CompressionQuery>())
                    Assert.Equal([1.0 / 2, 1.0 / 4, 1.0 / 8, 1.0 / 16, 1.0 / 32, 1.0 / 64], shares[(policy, query)]);
            }
        }

        Assert.All(parts.Where(p => p.Name.StartsWith("aim-", StringComparison.Ordinal)), p => Assert.True(p.Settings.Limit >= 200));
    }

    [Fact]
    public void Parts_have_folders_of_their_own_and_settings_that_are_right()
    {
        foreach (IReadOnlyList<TablePart> parts in (IReadOnlyList<TablePart>[])[TablePlan.Embedded(1), TablePlan.Other(1, null)])
        {
            Assert.Equal(parts.Count, parts.Select(p => p.Name).Distinct().Count());
            Assert.All(parts.SelectMany(p => p.Settings.Cells), c => c.Compression().Validate());
        }
    }

    [Fact]
    public async Task Parts_that_are_finished_are_not_measured_again_and_a_new_cell_makes_one_unfinished()
    {
        TablesSettings settings = Settings([Part("one", 0.5), Part("two", 0.25)]);
        Assert.Equal(GridJob.Unfinished, await TablesJob.RunAsync(settings with { MostTime = TimeSpan.Zero }, CancellationToken.None));
        Assert.Equal(0, await TablesJob.RunAsync(settings with { Only = ["one"] }, CancellationToken.None));
        Assert.Equal([true, false], settings.Parts.Select(p => TablesJob.IsFinished(settings, p)));
        string first = Path.Combine(_folder, "one", "answers.jsonl");
        File.WriteAllText(first, ""); // would be filled again if the part were measured again
        Assert.Equal(0, await TablesJob.RunAsync(settings, CancellationToken.None));
        Assert.Equal(0, new FileInfo(first).Length);
        string tables = File.ReadAllText(Path.Combine(_folder, "tables.md"));
        Assert.Contains("## Part one (`one`)", tables, StringComparison.Ordinal);
        Assert.Contains("| kv-compress | global | F16 |", tables, StringComparison.Ordinal);
        Assert.False(TablesJob.IsFinished(settings, Part("two", 0.125)));
    }

    [Fact]
    public async Task An_unknown_part_is_named() =>
        Assert.Equal(2, await TablesJob.RunAsync(Settings([Part("one", 0.5)]) with { Only = ["three"] }, CancellationToken.None));

    private static TablePart Part(string name, double share) => new(name, $"Part {name}", new GridSettings
    {
        Model = "", Output = "", Generate = ["longdoc"], Lengths = [300], Limit = 1, Axes = new GridAxes { Policies = ["kv-compress"], Retained = [share] },
    });

    private TablesSettings Settings(IReadOnlyList<TablePart> parts) => new()
    {
        Model = KvCompressChatOptions.EmbeddedModel, Output = _folder, Parts = parts, Machine = grid => grid with { CacheBytes = 64L << 20 },
    };
}
