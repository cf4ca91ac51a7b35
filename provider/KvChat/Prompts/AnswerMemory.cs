namespace KvChat.Prompts;

/// <summary>
/// Remembers which tokens recent answers were made of. An answer that comes back as history is given to the engine as those very tokens: encoding its
/// text anew may cut it differently, and then the KVs that are still held would not fit. An answer is only recognised behind the same prompt, so a
/// conversation's tokens never depend on other conversations. Safe for concurrent use.
/// </summary>
internal sealed class AnswerMemory(int capacity = 4096)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<LinkedListNode<Answer>>> _byText = new(StringComparer.Ordinal);
    private readonly LinkedList<Answer> _newestLast = [];

    /// <summary>Hash of a prompt (FNV-1a over its tokens).</summary>
    public static ulong Hash(ReadOnlySpan<int> prompt)
    {
        ulong hash = 14695981039346656037;
        foreach (int token in prompt)
            hash = (hash ^ (uint)token) * 1099511628211;
        return hash;
    }

    /// <summary>Notes what an answer was made of.</summary>
    /// <param name="prompt">Hash of the prompt that it answered.</param>
    /// <param name="text">All of its text.</param>
    /// <param name="tokens">Its tokens.</param>
    public void Add(ulong prompt, string text, int[] tokens)
    {
        lock (_gate)
        {
            if (!_byText.TryGetValue(text, out List<LinkedListNode<Answer>>? same))
                _byText[text] = same = [];
            int old = same.FindIndex(n => n.Value.Prompt == prompt);
            if (old >= 0)
            {
                _newestLast.Remove(same[old]);
                same.RemoveAt(old);
            }

            same.Add(_newestLast.AddLast(new Answer(prompt, text, tokens)));
            if (_newestLast.Count > capacity)
                Forget(_newestLast.First!);
        }
    }

    /// <summary>Whether any prompt had this answer.</summary>
    public bool MayHold(string text)
    {
        lock (_gate)
            return _byText.ContainsKey(text);
    }

    /// <summary>The tokens of the answer with this text to this prompt, or null.</summary>
    public int[]? Find(ulong prompt, string text)
    {
        lock (_gate)
            return _byText.TryGetValue(text, out List<LinkedListNode<Answer>>? same) ? same.Find(n => n.Value.Prompt == prompt)?.Value.Tokens : null;
    }

    private void Forget(LinkedListNode<Answer> node)
    {
        _newestLast.Remove(node);
        List<LinkedListNode<Answer>> same = _byText[node.Value.Text];
        same.Remove(node);
        if (same.Count == 0)
            _byText.Remove(node.Value.Text);
    }

    private sealed record Answer(ulong Prompt, string Text, int[] Tokens);
}
