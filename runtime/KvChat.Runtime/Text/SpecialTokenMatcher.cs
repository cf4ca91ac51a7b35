using System.Buffers;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text;

/// <summary>A token found in a text before ordinary tokenisation. Plain ones are user-defined white space.</summary>
internal readonly record struct SpecialMatch(int Start, int Length, int Id, bool IsPlain);

/// <summary>
/// Finds control and user-defined tokens, leftmost first and longest of those that begin together, in one pass over a trie. Only plain ones may
/// touch characters that the template did not write.
/// </summary>
internal sealed class SpecialTokenMatcher
{
    private readonly Dictionary<(int Node, char Next), int> edges = [];
    private readonly List<(int Id, bool IsPlain)> nodes = [(-1, false)];
    private readonly SearchValues<char> firsts;

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="spaceIsMarked">Whether the vocabulary writes U+2581 for a space.</param>
    /// <exception cref="ModelFileException">A special token is too long.</exception>
    public SpecialTokenMatcher(Vocabulary vocabulary, bool spaceIsMarked)
    {
        for (int id = 0; id < vocabulary.Count; id++)
        {
            if (vocabulary.KindOf(id) is not (TokenKind.Control or TokenKind.UserDefined) || vocabulary.TextOf(id).Length == 0)
                continue;
            bool plain = vocabulary.IsPlain(id);
            string text = vocabulary.TextOf(id);
            if (text.Length > Vocabulary.LongestMatch)
                throw new ModelFileException($"tokenizer.ggml.tokens[{id}]", null, $"is a special token of {text.Length} characters; it must have at most {Vocabulary.LongestMatch}");
            Add(plain && spaceIsMarked ? text.Replace(Vocabulary.SentencePieceSpace, ' ') : text, id, plain);
        }

        firsts = SearchValues.Create([.. edges.Keys.Where(k => k.Node == 0).Select(k => k.Next)]);
    }

    /// <summary>The tokens in a text, in order, none touching another.</summary>
    public List<SpecialMatch> Find(RenderedText rendered)
    {
        var found = new List<SpecialMatch>();
        ReadOnlySpan<char> text = rendered.Text;
        var template = new TemplateRuns(rendered.Runs);
        for (int at = 0; at < text.Length;)
        {
            int skip = text[at..].IndexOfAny(firsts);
            if (skip < 0)
                break;
            at += skip;
            SpecialMatch match = MatchAt(text, at, template.EndAt(at));
            if (match.Length > 0)
                found.Add(match);
            at += Math.Max(1, match.Length);
        }

        return found;
    }

    private SpecialMatch MatchAt(ReadOnlySpan<char> text, int start, int templateEnd)
    {
        SpecialMatch best = default;
        int node = 0;
        for (int i = start; i < text.Length && edges.TryGetValue((node, text[i]), out node); i++)
        {
            (int id, bool plain) = nodes[node];
            if (id >= 0 && (plain || i < templateEnd))
                best = new(start, i + 1 - start, id, plain);
        }

        return best;
    }

    private void Add(string text, int id, bool plain)
    {
        int node = 0;
        foreach (char c in text)
        {
            if (!edges.TryGetValue((node, c), out int next))
            {
                next = nodes.Count;
                nodes.Add((-1, false));
                edges.Add((node, c), next);
            }

            node = next;
        }

        if (nodes[node].Id < 0)
            nodes[node] = (id, plain);
    }

    /// <summary>Where the template's stretch around a place ends; places must not go back.</summary>
    private struct TemplateRuns(IReadOnlyList<OriginRun> runs)
    {
        private int run;
        private int start;
        private int end;

        /// <summary>End of the stretch, or the place itself where it is not the template's.</summary>
        public int EndAt(int place)
        {
            while (end <= place && run < runs.Count)
            {
                start = runs[run].Start;
                bool template = runs[run].Origin == RenderedText.Template;
                end = start + runs[run++].Length;
                if (!template)
                    start = end;
                while (template && run < runs.Count && (runs[run].Origin == RenderedText.Template || runs[run].Length == 0))
                    end += runs[run++].Length;
            }

            return start <= place && place < end ? end : place;
        }
    }
}
