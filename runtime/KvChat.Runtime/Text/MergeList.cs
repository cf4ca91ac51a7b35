using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text;

/// <summary>Reads a file's list of merges.</summary>
internal static class MergeList
{
    /// <summary>Merges by <see cref="RankTable.Key"/>. Those whose parts or result are not in the vocabulary can never happen and are left out; of equal ones the first counts.</summary>
    /// <param name="list">Each two tokens with a space between, best first.</param>
    /// <param name="find">The token of a text that ordinary text may become, or -1.</param>
    /// <exception cref="ModelFileException">An entry is not two tokens.</exception>
    public static Dictionary<ulong, (uint Rank, int Id)> Read(IReadOnlyList<string> list, Func<string, int> find)
    {
        var result = new Dictionary<ulong, (uint Rank, int Id)>(list.Count);
        for (int rank = 0; rank < list.Count; rank++)
        {
            string merge = list[rank] ?? "";
            int space = merge.Length < 3 ? -1 : merge.IndexOf(' ', 1);
            if (space < 0 || space == merge.Length - 1)
                throw new ModelFileException($"tokenizer.ggml.merges[{rank}]", null, $"is '{ModelFileException.Printable(merge)}'; it must be two tokens with a space between");
            if (merge.Length - 1 > Vocabulary.LongestMatch)
                continue;
            int left = find(merge[..space]), right = find(merge[(space + 1)..]);
            int both = left < 0 || right < 0 ? -1 : find(string.Concat(merge.AsSpan(0, space), merge.AsSpan(space + 1)));
            if (both >= 0)
                result.TryAdd(RankTable.Key(left, right), ((uint)rank, both));
        }

        return result;
    }
}

/// <summary>Merges by the tokens that they join.</summary>
internal readonly struct RankTable(Dictionary<ulong, (uint Rank, int Id)> merges) : IMergeTable
{
    /// <summary>Two tokens as one number.</summary>
    public static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    public bool TryMerge(in Symbol left, in Symbol right, out int id, out uint rank)
    {
        bool found = merges.TryGetValue(Key(left.Id, right.Id), out (uint Rank, int Id) merge);
        (rank, id) = merge;
        return found;
    }
}
