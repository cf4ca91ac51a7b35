namespace KvChat.Evaluation.Metrics;

/// <summary>Longest common subsequences.</summary>
internal static class CommonSubsequence
{
    /// <summary>Length of the longest common subsequence, in memory for one row.</summary>
    public static int Length<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b)
        where T : IEquatable<T>
    {
        var row = new int[b.Length + 1];
        foreach (T item in a)
        {
            int diagonal = 0;
            for (int j = 0; j < b.Length; j++)
            {
                int above = row[j + 1];
                row[j + 1] = item.Equals(b[j]) ? diagonal + 1 : Math.Max(above, row[j]);
                diagonal = above;
            }
        }

        return row[^1];
    }

    /// <summary>The items of one longest common subsequence, in order.</summary>
    public static List<string> Of(string[] a, string[] b)
    {
        var length = new int[a.Length + 1, b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
                length[i, j] = a[i - 1] == b[j - 1] ? length[i - 1, j - 1] + 1 : Math.Max(length[i - 1, j], length[i, j - 1]);
        }

        var items = new List<string>();
        for (int i = a.Length, j = b.Length; i > 0 && j > 0;)
        {
            if (a[i - 1] == b[j - 1])
            {
                items.Add(a[i - 1]);
                (i, j) = (i - 1, j - 1);
            }
            else if (length[i - 1, j] > length[i, j - 1])
            {
                i--;
            }
            else
            {
                j--;
            }
        }

        items.Reverse();
        return items;
    }
}
