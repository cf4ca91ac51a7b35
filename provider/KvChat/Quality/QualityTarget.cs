using KvChat.Kernels;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.Logging;

namespace KvChat.Quality;

/// <summary>Puts settings in the place of a quality that a request asks for, by the table of the model that is served. Safe for concurrent use.</summary>
/// <param name="table">The model's measurements; null where there are none.</param>
/// <param name="path">Where they lie, or would.</param>
/// <param name="model">The model's own name.</param>
/// <param name="supports">Formats that the back end has.</param>
internal sealed class QualityTarget(QualityTable? table, string path, string model, Func<KvFormat, bool> supports)
{
    private int _told;

    /// <summary>Whether the model was measured at all.</summary>
    public bool IsMeasured => table is not null;

    /// <summary>The settings to use.</summary>
    /// <param name="wanted">What was asked for; as it is where it names no quality.</param>
    /// <param name="query">Whose question chooses what a prompt loses.</param>
    /// <param name="tokens">Tokens of the prompt.</param>
    /// <param name="logger">Told once where the model was never measured.</param>
    /// <param name="format">The only format that may be used; null for any.</param>
    public KvCompression Settings(KvCompression wanted, QualityQuery query, int tokens, ILogger logger, KvFormat? format = null)
    {
        if (wanted.MinQuality is not { } quality)
            return wanted;
        bool May(KvFormat asked) => supports(asked) && (format is null || asked == format);
        if (table is null)
        {
            KvFormat careful = format ?? (supports(KvCompression.Careful.Format) ? KvCompression.Careful.Format : KvFormat.F16);
            if (Interlocked.Exchange(ref _told, 1) == 0)
                Log.QualityUnmeasured(logger, quality, model, path, careful);
            return wanted with { MinQuality = null, Policy = KvCompression.Careful.Policy, RetainedRatio = 1, RetainedKvs = null, Format = careful, LowFormat = null };
        }

        KvCompression found = table.Strongest(wanted, query, tokens, May);
        if (format is { } only && found.IsOff)
            found = found with { Format = only };
        Log.QualityMet(logger, quality, found.Policy, found.RetainedRatio, found.Format, tokens);
        return found;
    }
}
