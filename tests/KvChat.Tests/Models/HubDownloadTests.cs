using KvChat.Models;

namespace KvChat.Tests.Models;

public sealed class HubDownloadTests
{
    private const string File1 = "model-Q4_K_M.gguf";

    private static readonly byte[] Contents = FakeHub.Bytes(3_000_000);

    [Fact]
    public async Task A_model_comes_into_the_layout_of_the_hubs_cache()
    {
        await using var hub = new FakeHub(("README.md", [1]), (File1, Contents));
        LocatedModel model = await hub.LocateAsync("hf:owner/name");
        Assert.Equal(("owner/name", hub.Snapshot(File1)), (model.Name, model.Path));
        Assert.Equal(Contents, File.ReadAllBytes(model.Path));
        Assert.Equal(Path.Combine("..", "..", "blobs", FakeHub.Hash(Contents)), new FileInfo(model.Path).LinkTarget);
        Assert.Equal(Contents, File.ReadAllBytes(hub.Blob(File1)));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(hub.Repository, "refs", "main")));
        Assert.Equal(3, Directory.GetFiles(hub.Repository, "*", SearchOption.AllDirectories).Length); // nothing else is left
        Assert.Empty(hub.Waits);
        Assert.True(hub.Progress.Count >= 3);
        Assert.Equal(hub.Progress.Select(p => p.Bytes).Order(), hub.Progress.Select(p => p.Bytes));
        Assert.Equal(new ModelDownloadProgress(File1, Contents.Length, Contents.Length), hub.Progress[^1]);
    }

    [Fact]
    public async Task What_is_in_the_cache_is_not_fetched_again()
    {
        await using var hub = new FakeHub((File1, Contents));
        LocatedModel first = await hub.LocateAsync("hf:owner/name:q4_k_m");
        hub.Progress.Clear();
        Assert.Equal(first.Path, (await hub.LocateAsync("owner/name:" + File1)).Path);
        Assert.Single(hub.Downloads);
        Assert.Empty(hub.Progress);
    }

    [Fact]
    public async Task A_broken_connection_is_taken_up_where_it_broke()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsDownload(r) && r.From < 2_000_000 ? hub.Content(r) with { BreakAfter = 1_000_000 } : null;
        LocatedModel model = await hub.LocateAsync("hf:owner/name");
        Assert.Equal(Contents, File.ReadAllBytes(model.Path));
        Assert.Equal([0, 1_000_000, 2_000_000], hub.Downloads.Select(r => r.From));
        Assert.Equal([TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)], hub.Waits);
    }

    [Fact]
    public async Task A_connection_that_never_lasts_is_given_up_but_what_came_is_kept()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => FakeHub.IsDownload(r) ? hub.Content(r) with { BreakAfter = 1000 } : null;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("try again later", error.Hint, StringComparison.Ordinal);
        Assert.Equal([1, 2, 4, 8], hub.Waits.Select(w => w.TotalSeconds));
        Assert.Equal(Contents[..5000], File.ReadAllBytes(hub.Blob(File1) + ".incomplete"));
        Assert.False(Path.Exists(hub.Snapshot(File1)));
        hub.Intercept = static _ => null;
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal(5000, hub.Downloads[^1].From);
    }

    [Fact]
    public async Task A_long_download_over_a_bad_line_is_never_given_up_while_it_moves()
    {
        byte[] large = FakeHub.Bytes(12 << 20);
        await using var hub = new FakeHub((File1, large));
        hub.Intercept = r => FakeHub.IsDownload(r) ? hub.Content(r) with { BreakAfter = Math.Min(large.Length - r.From, 3 << 19) } : null;
        Assert.Equal(large, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal(8, hub.Downloads.Count);
    }

    [Fact]
    public async Task A_server_that_cannot_begin_in_the_middle_begins_anew()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => !FakeHub.IsDownload(r) ? null : r.From == 0 ? hub.Content(r) with { BreakAfter = 1_000_000 } : new ScriptReply(200, Contents);
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
    }

    [Theory]
    [InlineData(416, "bytes */3000000")]
    [InlineData(206, "bytes 5-2999999/3000000")]
    public async Task An_answer_for_another_place_is_not_appended(int status, string range)
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Intercept = r => !FakeHub.IsDownload(r) ? null : hub.Downloads.Count switch
        {
            1 => hub.Content(r) with { BreakAfter = 1_000_000 },
            2 => new ScriptReply(status, Contents[5..], ("Content-Range", range)),
            _ => null,
        };
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal(0, hub.Downloads[^1].From);
    }

    [Fact]
    public async Task A_damaged_beginning_is_found_and_read_again()
    {
        await using var hub = new FakeHub((File1, Contents));
        Directory.CreateDirectory(Path.GetDirectoryName(hub.Blob(File1))!);
        File.WriteAllBytes(hub.Blob(File1) + ".incomplete", FakeHub.Bytes(1000, seed: 9));
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal([1000, 0], hub.Downloads.Select(r => r.From));
    }

    [Fact]
    public async Task A_beginning_longer_than_the_file_is_dropped()
    {
        await using var hub = new FakeHub((File1, Contents));
        Directory.CreateDirectory(Path.GetDirectoryName(hub.Blob(File1))!);
        File.WriteAllBytes(hub.Blob(File1) + ".incomplete", FakeHub.Bytes(Contents.Length + 1, seed: 9));
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
    }

    [Fact]
    public async Task Cancelling_keeps_what_came_and_the_next_call_goes_on()
    {
        await using var hub = new FakeHub((File1, Contents));
        using var cancel = new CancellationTokenSource();
        var never = new TaskCompletionSource();
        hub.Intercept = r => FakeHub.IsDownload(r) ? hub.Content(r) with { BreakAfter = 2_000_000, Hold = never.Task } : null;
        var progress = new Watcher(bytes =>
        {
            if (bytes >= 1_000_000)
                cancel.Cancel();
        });
        var canceled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new ModelLocator(hub.Options).LocateAsync("hf:owner/name", progress, cancel.Token));
        Assert.Equal(cancel.Token, canceled.CancellationToken);
        long kept = new FileInfo(hub.Blob(File1) + ".incomplete").Length;
        Assert.InRange(kept, 1_000_000, 2_000_000);
        hub.Intercept = static _ => null;
        Assert.Equal(Contents, File.ReadAllBytes((await hub.LocateAsync("hf:owner/name")).Path));
        Assert.Equal(kept, hub.Downloads[^1].From);
    }

    [Fact]
    public async Task A_connection_that_stands_still_is_ended_and_taken_up_again()
    {
        await using var hub = new FakeHub((File1, Contents));
        var clock = new ManualClock();
        hub.Options.Clock = clock;
        var never = new TaskCompletionSource();
        var half = new TaskCompletionSource();
        hub.Intercept = r => FakeHub.IsDownload(r) && r.From == 0 ? hub.Content(r) with { BreakAfter = 2 << 20, Hold = never.Task } : null;
        Task<LocatedModel> locating = new ModelLocator(hub.Options).LocateAsync("hf:owner/name", new Watcher(bytes => _ = bytes >= 1 << 20 && half.TrySetResult()));
        await half.Task;
        clock.Fire(); // the time-out of the one connection that is open
        Assert.Equal(Contents, File.ReadAllBytes((await locating).Path));
        Assert.Equal(2, hub.Downloads.Count);
    }

    [Fact]
    public async Task Two_at_once_fetch_a_file_once()
    {
        await using var hub = new FakeHub((File1, Contents));
        var secondWaits = new TaskCompletionSource();
        hub.Options.Delay = (_, token) =>
        {
            secondWaits.TrySetResult();
            return Task.Run(Thread.Yield, token);
        };
        // The first holds the lock until the second has seen it held.
        hub.Intercept = r => FakeHub.IsDownload(r) ? hub.Content(r) with { Until = secondWaits.Task } : null;
        LocatedModel[] both = await Task.WhenAll(hub.LocateAsync("hf:owner/name"), hub.LocateAsync("hf:owner/name"));
        Assert.Equal(both[0].Path, both[1].Path);
        Assert.Equal(Contents, File.ReadAllBytes(both[0].Path));
        Assert.Single(hub.Downloads);
    }

    [Fact]
    public async Task Where_links_are_not_possible_the_snapshot_holds_the_file()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.MakeLink = static (_, _) => throw new UnauthorizedAccessException("no privilege");
        LocatedModel model = await hub.LocateAsync("hf:owner/name");
        Assert.Null(new FileInfo(model.Path).LinkTarget);
        Assert.Equal(Contents, File.ReadAllBytes(model.Path));
        await hub.LocateAsync("hf:owner/name");
        Assert.Single(hub.Downloads);
        Assert.Equal(2, Directory.GetFiles(hub.Repository, "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public async Task All_parts_of_a_split_model_come()
    {
        (string, byte[])[] parts = [.. Enumerable.Range(1, 3).Select(i => ($"Q8_0/big-Q8_0-0000{i}-of-00003.gguf", FakeHub.Bytes(1000 * i, i)))];
        await using var hub = new FakeHub([(File1, Contents), .. parts]);
        LocatedModel model = await hub.LocateAsync("hf:owner/name:Q8_0");
        Assert.Equal(parts.Select(p => hub.Snapshot(p.Item1)), model.Files);
        Assert.All(parts, p => Assert.Equal(p.Item2, File.ReadAllBytes(hub.Snapshot(p.Item1))));
        Assert.Equal(new ModelDownloadProgress(parts[2].Item1, 6000, 6000), hub.Progress[^1]);
        Assert.Equal(model.Files, (await hub.LocateAsync("hf:owner/name:big-Q8_0-00002-of-00003.gguf")).Files);
        Assert.Equal(3, hub.Downloads.Count);
    }

    [Fact]
    public async Task Too_small_a_disk_is_said_before_anything_comes()
    {
        await using var hub = new FakeHub((File1, Contents));
        hub.Options.FreeBytes = _ => Contents.Length - 1;
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("needs 3000000 bytes more", error.Message, StringComparison.Ordinal);
        Assert.Contains("HF_HUB_CACHE", error.Hint, StringComparison.Ordinal);
        Assert.Empty(hub.Downloads);
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_no_reason_to_ask_again()
    {
        await using var hub = new FakeHub((File1, Contents));
        Directory.CreateDirectory(hub.Blob(File1) + ".incomplete");
        var error = await Assert.ThrowsAsync<ModelDownloadException>(() => hub.LocateAsync("hf:owner/name"));
        Assert.Contains("cannot be written to", error.Message, StringComparison.Ordinal);
        Assert.Empty(hub.Downloads);
        Assert.Empty(hub.Waits);
        var full = KvChat.Models.Hub.DiskSpace.Failure(new Uri("http://localhost/"), "x", new IOException("No space left on device", 28));
        Assert.Contains("the disk is full", full.Message, StringComparison.Ordinal);
    }

    private sealed class Watcher(Action<long> watch) : IProgress<ModelDownloadProgress>
    {
        public void Report(ModelDownloadProgress value) => watch(value.Bytes);
    }
}
