using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Compression;

/// <summary>
/// What some policies have to know of a model beyond its weights: measured when the first request needs it, on a text that ships with this library, and kept in a small file for the next time.
/// Used from one thread at a time.
/// </summary>
public sealed class ModelCalibration
{
    /// <summary>Most tokens of the text that are read.</summary>
    public const int MaxTokens = 1024;
    private const int LeastTokens = 64;

    private readonly Func<int[]> _tokens;
    private readonly string? _folder;
    private QueryStatistics? _queries;

    /// <summary>Says what is read and where the results are kept.</summary>
    /// <param name="tokens">Gives the text's tokens when they are needed; a draw of the vocabulary stands in for fewer than 64.</param>
    /// <param name="folder">Folder of the results; null to keep none. What cannot be read there is measured again, what cannot be written is left out.</param>
    public ModelCalibration(Func<int[]> tokens, string? folder)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        _tokens = tokens;
        _folder = folder;
    }

    /// <summary>The text that ships with this library.</summary>
    public static string Text => s_text.Value;

    /// <summary>Where results are kept where nothing else is said: a folder of the user's application data; null where the system has none.</summary>
    public static string? StandardFolder
    {
        get
        {
            string data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
            return data.Length == 0 ? null : Path.Combine(data, "KvChat", "query-statistics");
        }
    }

    private static readonly Lazy<string> s_text = new(static () =>
    {
        using Stream stream = typeof(ModelCalibration).Assembly.GetManifestResourceStream("calibration.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    });

    /// <summary>What the model's queries are like.</summary>
    /// <param name="model">The model that this belongs to; nothing else may use it meanwhile.</param>
    public QueryStatistics Queries(TransformerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (_queries is not null)
            return _queries;
        using var measurement = new QueryMeasurement(model, Tokens(model.Configuration));
        string? file = _folder is null ? null : Path.Combine(_folder, measurement.Fingerprint() + ".kvq");
        if (TryRead(file, model.Configuration) is { } known)
            return _queries = known;
        _queries = measurement.Measure();
        TryWrite(file, _queries);
        return _queries;
    }

    private int[] Tokens(TransformerConfiguration shape)
    {
        int most = Math.Min(MaxTokens, Math.Min(shape.ContextLength, shape.ShortRotaryTokens));
        int[] tokens = _tokens();
        if (tokens.Length >= LeastTokens)
            return tokens[..Math.Min(most, tokens.Length)];
        var random = new Random(1);
        return [.. Enumerable.Range(0, Math.Min(most, 256)).Select(_ => random.Next(shape.VocabularySize / 2, shape.VocabularySize))];
    }

    private static QueryStatistics? TryRead(string? file, TransformerConfiguration shape)
    {
        try
        {
            if (file is null || !File.Exists(file))
                return null;
            var read = QueryStatistics.FromBytes(File.ReadAllBytes(file));
            return (read.Layers, read.Heads, read.HeadDim) == (shape.Layers, shape.QueryHeads, shape.HeadDim) ? read : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ModelFileException)
        {
            return null;
        }
    }

    private static void TryWrite(string? file, QueryStatistics statistics)
    {
        if (file is null)
            return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            string part = $"{file}.{Guid.NewGuid():n}";
            File.WriteAllBytes(part, statistics.ToBytes());
            File.Move(part, file, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The next time measures again.
        }
    }
}
