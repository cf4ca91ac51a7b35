using System.Globalization;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Evaluation.Golden;

/// <summary>Observation scores, the KVs that allocators keep on given scores, and the next logits when only those are left.</summary>
internal sealed class CompressionChecks(string name, LoadedModel model, SafetensorsFile file, KvFormat format, CheckReport report)
{
    private const int ReferencePool = 7, ReferenceSinks = 4;
    private readonly int[] _ids = file.Ints("ids");
    private readonly TransformerConfiguration _shape = model.Configuration;

    public void Run()
    {
        using var runner = new StepRunner(model.Transformer, 1, _ids.Length + 1, _ids.Length, 1, format);
        float[] logits = new float[_shape.VocabularySize];
        foreach (string scores in file.Arrays.Keys.Where(static n => n.StartsWith("scores.w", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            runner.Clear();
            int window = int.Parse(scores.AsSpan("scores.w".Length), CultureInfo.InvariantCulture);
            runner.Read(0, _ids, logits: 1, new ObservedRows(window, ReferencePool));
            Scores(runner, scores);
        }

        if (file.Contains("logits.last"))
        {
            runner.Clear();
            runner.Read(0, _ids, logits: 1);
            runner.ReadLogits(0, logits);
            report.AtMost($"{name}/compression: logits after {_ids.Length} tokens", Difference(file.Floats("logits.last"), logits), 2e-2, "largest difference");
            if (file.Contains("keys.layer0"))
                Keys(runner);
        }

        foreach (string kept in file.Arrays.Keys.Where(static n => n.StartsWith("kept.", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            Selection(kept);
            string next = "next_logits." + kept["kept.".Length..];
            if (file.Contains(next) && file.Contains("logits.last"))
                NextLogits(runner, kept, next, logits);
        }
    }

    /// <summary>The largest part of a score's tolerance, 1e-3 of it plus 1e-6, that a difference takes up.</summary>
    private void Scores(StepRunner runner, string scores)
    {
        float[] expected = file.Floats(scores), actual = new float[expected.Length];
        ForEachHead(runner, (head, index) => runner.Arena.ReadScores(head, format, actual.AsSpan(index * _ids.Length, _ids.Length)));
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
            worst = ModelChecks.Worse(worst, Math.Abs(expected[i] - actual[i]) / ((1e-3 * Math.Abs(expected[i])) + 1e-6));
        report.AtMost($"{name}/compression: {scores}", worst, 1, "largest difference over its tolerance (1e-3 relative plus 1e-6):");
    }

    private void Keys(StepRunner runner)
    {
        float[] expected = file.Floats("keys.layer0"), actual = new float[expected.Length];
        int size = _ids.Length * _shape.HeadDim;
        ForEachHead(runner, (head, index) =>
        {
            if (index < _shape.KvHeads)
                runner.Arena.ReadKeys(head, format, actual.AsSpan(index * size, size));
        });
        report.AtMost($"{name}/compression: keys of the first layer", Difference(expected, actual), 2e-3, "largest difference");
    }

    /// <summary>Which KVs an allocator keeps on the reference's scores of a window of 32.</summary>
    private void Selection(string kept)
    {
        string check = $"{name}/compression: {kept}";
        string[] parts = kept.Split('.', 3);
        IBudgetAllocator? allocator = parts[1] switch
        {
            "global" => new GlobalPageEviction(),
            "uniform" => new UniformAllocator(),
            "adakv" => new AdaKvAllocator(),
            _ => null,
        };
        if (allocator is null || !file.Contains("scores.w32"))
        {
            report.Skip(check, "not yet covered");
            return;
        }

        int heads = _shape.TotalKvHeads, tokens = _ids.Length, page = (int)Setting(kept, "page", 16);
        float[] scores = file.Floats("scores.w32");
        int protectedTokens = (int)Setting(kept, "protected", 0);
        for (int head = 0; head < heads; head++)
        {
            Span<float> row = scores.AsSpan(head * tokens, tokens);
            row[(tokens - protectedTokens)..].Fill(float.PositiveInfinity);
            if (allocator is GlobalPageEviction)
                row[..ReferenceSinks].Fill(float.PositiveInfinity);
        }

        int whole = heads * ((tokens + page - 1) / page);
        int allowed = kept.Contains(".share", StringComparison.Ordinal) ? (int)(whole * Setting(kept, "share", 1)) : heads * (int)Setting(kept, "budget", tokens) / page;
        var keep = new bool[scores.Length];
        allocator.Allocate(
            new SelectionInput { KvHeads = _shape.KvHeads, PageTokens = page, Lengths = [.. Enumerable.Repeat(tokens, heads)], Scores = scores, AllowedPages = allowed, FloorKvs = 0 }, keep);
        int[] expected = file.Ints(kept);
        report.Equal(check, expected.Zip(keep, static (e, k) => (e != 0) == k).Count(static same => same), expected.Length, "KVs kept or evicted");
    }

    /// <summary>The logits of one more token that sees only the kept KVs, and itself.</summary>
    private void NextLogits(StepRunner runner, string kept, string next, float[] logits)
    {
        runner.Clear();
        runner.Read(0, _ids, logits: 1);
        bool[] keep = [.. file.Ints(kept).Select(static k => k != 0)];
        if (!runner.Cache(0).TryEvict(keep))
            throw new InvalidOperationException("An eviction without sharing found no free page.");
        int token = ModelChecks.ArgMax(file.Floats("logits.last"));
        runner.Read(0, [token], logits: 1);
        runner.ReadLogits(0, logits);
        report.AtMost($"{name}/compression: {next}", Difference(file.Floats(next), logits), 3e-2, "largest difference");
    }

    private void ForEachHead(StepRunner runner, Action<HeadView, int> visit)
    {
        var views = new HeadView[_shape.KvHeads];
        for (int layer = 0; layer < _shape.Layers; layer++)
        {
            runner.Cache(0).FillViews(layer, views);
            for (int head = 0; head < views.Length; head++)
                visit(views[head], (layer * _shape.KvHeads) + head);
        }
    }

    /// <summary>A number in a name such as <c>kept.global.page16.protected32.share0.5</c>.</summary>
    private static double Setting(string kept, string setting, double fallback)
    {
        int at = kept.IndexOf("." + setting, StringComparison.Ordinal);
        if (at < 0)
            return fallback;
        int start = at + 1 + setting.Length, end = start;
        while (end < kept.Length && (char.IsAsciiDigit(kept[end]) || (setting == "share" && kept[end] == '.')))
            end++;
        return double.Parse(kept.AsSpan(start, end - start), CultureInfo.InvariantCulture);
    }

    private static double Difference(float[] expected, float[] actual)
    {
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
            worst = ModelChecks.Worse(worst, Math.Abs((double)expected[i] - actual[i]));
        return worst;
    }
}
