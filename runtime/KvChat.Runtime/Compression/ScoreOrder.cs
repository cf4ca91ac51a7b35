namespace KvChat.Runtime.Compression;

/// <summary>
/// Scores as whole numbers that sort the same way, so that a threshold is found by counting digits instead of sorting.
/// </summary>
internal static class ScoreOrder
{
    /// <summary>Key of +infinity: what must never go.</summary>
    public const uint Pinned = 0xFF80_0000;

    /// <summary>
    /// A key that ascends with the score. Floats in sign-magnitude become ascending when negative ones are inverted and the others get the top bit.
    /// What is no number gets the lowest key; adding 0 makes -0 and 0 the same.
    /// </summary>
    public static uint Key(float score)
    {
        if (float.IsNaN(score))
            return 0;
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
    }

    /// <summary>Keys of all scores.</summary>
    public static void Keys(ReadOnlySpan<float> scores, Span<uint> keys)
    {
        for (int i = 0; i < scores.Length; i++)
            keys[i] = Key(scores[i]);
    }

    /// <summary>
    /// The <paramref name="count"/>-th smallest key, and how many keys equal to it are among the <paramref name="count"/> smallest. Counts the
    /// keys byte by byte from the top, each time only those that share the bytes found so far.
    /// </summary>
    public static (uint Threshold, int Ties) Smallest(ReadOnlySpan<uint> keys, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, keys.Length);
        Span<int> histogram = stackalloc int[256];
        uint found = 0, mask = 0;
        for (int shift = 24; shift >= 0; shift -= 8)
        {
            histogram.Clear();
            foreach (uint key in keys)
            {
                if ((key & mask) == found)
                    histogram[(int)(key >> shift) & 0xFF]++;
            }

            int digit = 0;
            while (histogram[digit] < count)
                count -= histogram[digit++];
            found |= (uint)digit << shift;
            mask |= 0xFFu << shift;
        }

        return (found, count);
    }

    /// <summary>
    /// Sorts keys, ascending: byte by byte from the lowest, each pass stable, through <paramref name="other"/> of the same length; all bytes are counted in one pass. Linear,
    /// and for heads of any size several times faster than comparing; the shortest are compared, because the counters would cost more.
    /// </summary>
    public static void Sort(Span<uint> keys, Span<uint> other)
    {
        const int Digits = 256, Passes = 4;
        if (keys.Length < Digits / 2)
        {
            keys.Sort();
            return;
        }

        Span<int> counts = stackalloc int[Digits * Passes];
        counts.Clear();
        foreach (uint key in keys)
        {
            counts[(byte)key]++;
            counts[Digits + (byte)(key >> 8)]++;
            counts[(2 * Digits) + (byte)(key >> 16)]++;
            counts[(3 * Digits) + (byte)(key >> 24)]++;
        }

        Span<uint> from = keys, to = other[..keys.Length];
        for (int shift = 0; shift < 32; shift += 8)
        {
            Span<int> next = counts.Slice(shift / 8 * Digits, Digits);
            if (next[(byte)(from[0] >> shift)] == from.Length)
                continue; // all alike
            int sum = 0;
            for (int digit = 0; digit < Digits; digit++)
                (next[digit], sum) = (sum, sum + next[digit]);
            foreach (uint key in from)
                to[next[(byte)(key >> shift)]++] = key;
            Span<uint> swapped = from;
            from = to;
            to = swapped;
        }

        if (!from.Overlaps(keys))
            from.CopyTo(keys);
    }

    /// <summary>Marks the <paramref name="count"/> lowest scores as going; of equal ones the lower index goes first.</summary>
    /// <param name="scores">Scores of a head.</param>
    /// <param name="threshold">Key of the highest score that goes.</param>
    /// <param name="count">Number that goes.</param>
    /// <param name="keep">Marked false where a KV goes.</param>
    public static void DropLowest(ReadOnlySpan<float> scores, uint threshold, int count, Span<bool> keep)
    {
        int ties = count;
        foreach (float score in scores)
            ties -= Key(score) < threshold ? 1 : 0;
        for (int i = 0; i < scores.Length; i++)
        {
            uint key = Key(scores[i]);
            if (key < threshold || (key == threshold && ties-- > 0))
                keep[i] = false;
        }
    }

    /// <summary>
    /// Marks the <paramref name="count"/> highest scores that are not kept yet as kept, and those of +infinity even beyond that; of equal ones
    /// the lower index is kept.
    /// </summary>
    /// <param name="scores">Scores.</param>
    /// <param name="count">Number to keep, besides those kept already.</param>
    /// <param name="keep">In and out: what is kept.</param>
    /// <param name="scratch">At least as long as the scores.</param>
    public static void KeepHighest(ReadOnlySpan<float> scores, int count, Span<bool> keep, Span<uint> scratch)
    {
        int candidates = 0, pinned = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (keep[i])
                continue;
            uint key = Key(scores[i]);
            pinned += key == Pinned ? 1 : 0;
            scratch[candidates++] = ~key; // inverted, the highest scores have the smallest keys
        }

        count = Math.Min(Math.Max(count, pinned), candidates);
        if (count == 0)
            return;
        (uint threshold, int ties) = Smallest(scratch[..candidates], count);
        for (int i = 0; i < scores.Length; i++)
        {
            uint key = ~Key(scores[i]);
            if (!keep[i] && (key < threshold || (key == threshold && ties-- > 0)))
                keep[i] = true;
        }
    }

    /// <summary>An array of at least that length; contents are lost when it grows.</summary>
    public static T[] Room<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            array = new T[Math.Max(length, (int)Math.Min(2L * array.Length, Array.MaxLength))];
        return array;
    }
}
