using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Quality;

/// <summary>Which question an answer's KVs were chosen by.</summary>
internal enum QualityQuery
{
    /// <summary>The one that is answered.</summary>
    Known,

    /// <summary>None: a document was compressed before anybody asked.</summary>
    Unknown,

    /// <summary>The first of a conversation; the answer is to a later one.</summary>
    Later,
}

/// <summary>What was measured of one setting over one set of questions.</summary>
/// <param name="Set">Name of the set.</param>
/// <param name="Tokens">Tokens of its documents, on average.</param>
/// <param name="Policy">A preset, or <c>off</c> where nothing is evicted.</param>
/// <param name="Retained">Retained ratio; 1 where nothing is evicted.</param>
/// <param name="Format">How KVs are stored.</param>
/// <param name="LowFormat">How KVs are stored that matter less; null for all alike.</param>
/// <param name="Query">Whose question chose.</param>
/// <param name="Schedule">When the prompt was compressed.</param>
/// <param name="Asked">Questions.</param>
/// <param name="OfFull">Share of the full cache's right answers that is kept.</param>
/// <param name="BytesOfFull">Bytes, over those of the full cache in F16.</param>
internal sealed record QualityRow(
    string Set, int Tokens, string Policy, double Retained, KvFormat Format, KvFormat? LowFormat, QualityQuery Query, CompressionSchedule Schedule, int Asked, double OfFull, double BytesOfFull)
{
    /// <summary>Whether KVs are evicted; where not, it is all the same whose question it is and when.</summary>
    public bool Evicts => Policy != CompressionPolicies.Off;

    /// <summary>What tells rows of a table apart.</summary>
    public object Key => (Set, Setting, Query, Schedule);

    /// <summary>What a request is given.</summary>
    public (string Policy, double Retained, KvFormat Format, KvFormat? LowFormat) Setting => (Policy, Retained, Format, LowFormat);
}
