using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// Reads a stretch of a prompt once more behind itself, so that attention shows what the model needs to write it down again (KVzip, arXiv 2505.23416). Goes in pieces whose
/// sizes depend on the request alone; their KVs are thrown away.
/// </summary>
internal sealed class RepeatPass
{
    /// <summary>Tokens that a piece scores.</summary>
    private const int PieceTokens = 256;

    /// <summary>Tokens before them that are read again in each piece, so that the first ones know where in the text they are.</summary>
    private const int LeadTokens = 32;

    private int _done;

    private RepeatPass(CompressionStop stop, int start)
    {
        Stop = stop;
        _done = start;
    }

    /// <summary>Most rows of a piece; a step has that room beside its prompts.</summary>
    public static int MaxRows => PieceTokens + LeadTokens;

    /// <summary>What is compressed when the pass has come to its end.</summary>
    public CompressionStop Stop { get; }

    /// <summary>First token of the next piece.</summary>
    public int Next => Math.Max(0, _done - LeadTokens);

    /// <summary>Rows of the next piece.</summary>
    public int NextRows => Math.Min(_done + PieceTokens, Stop.End) - Next;

    /// <summary>Begins a pass. One that begins at the start forgets what else is recorded; a later one adds to what earlier ones found.</summary>
    public static RepeatPass Begin(SequenceCache cache, CompressionStop stop, int start)
    {
        if (start == 0)
        {
            float[] none = new float[cache.KeptPerHead.Max()];
            foreach (HeadTable table in cache.Tables)
            {
                cache.Pool.Arena.WriteScores(table.View, cache.Format, none.AsSpan(0, table.Length));
                if (table.LowLength > 0)
                    cache.Pool.Arena.WriteScores(table.View.LowEnd, cache.LowFormat!.Value, none.AsSpan(0, table.LowLength));
            }
        }

        return new RepeatPass(stop, start);
    }

    /// <summary>Counts a piece as read; true where it was the last one.</summary>
    public bool Advance()
    {
        _done = Math.Min(_done + PieceTokens, Stop.End);
        return _done >= Stop.End;
    }
}
