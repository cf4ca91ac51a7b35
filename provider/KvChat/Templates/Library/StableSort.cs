namespace KvChat.Templates;

/// <summary>Python's stable sort. Written out, because the platform's sorts wrap what a comparison throws.</summary>
internal static class StableSort
{
    /// <summary>The items in order of their keys; in reverse, equal ones still keep their order.</summary>
    internal static T[] By<T>(T[] items, Func<T, TemplateValue> key, bool reverse, string construct)
    {
        (TemplateValue Key, T Item)[] pairs = [.. items.Select(i => (key(i), i))];
        (TemplateValue Key, T Item)[] other = new (TemplateValue, T)[pairs.Length];
        for (int width = 1; width < pairs.Length; width *= 2)
        {
            for (int start = 0; start < pairs.Length; start += 2 * width)
                Merge(pairs, other, start, Math.Min(start + width, pairs.Length), Math.Min(start + (2 * width), pairs.Length), reverse, construct);
            (pairs, other) = (other, pairs);
        }

        return [.. pairs.Select(p => p.Item)];
    }

    private static void Merge<T>((TemplateValue Key, T Item)[] from, (TemplateValue Key, T Item)[] to, int start, int middle, int end, bool reverse, string construct)
    {
        int left = start, right = middle;
        for (int i = start; i < end; i++)
        {
            bool takeRight = left == middle;
            if (!takeRight && right < end)
            {
                int order = PythonEquality.Compare(from[right].Key, from[left].Key, construct);
                takeRight = reverse ? order > 0 : order < 0;
            }

            to[i] = takeRight ? from[right++] : from[left++];
        }
    }
}
