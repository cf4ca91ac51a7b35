using KvChat.Runtime.Text;
using Microsoft.ML.Tokenizers;

namespace KvChat.Runtime.MLTokenizers;

/// <summary>
/// Any tokeniser of Microsoft.ML.Tokenizers as one that the engine and chat templates can use. It cuts plain text; what tokens are for, what they decode to and where special
/// tokens may stand is known to the model's own tokeniser, whose ids both must share. A stretch of plain text in which the wrapped tokeniser sees a special token keeps the model's own tokens. Safe for concurrent use where the wrapped one is.
/// </summary>
public sealed class EngineTokenizer : Text.Tokenizer
{
    private readonly Microsoft.ML.Tokenizers.Tokenizer _cutter;
    private readonly Text.Tokenizer _vocabulary;

    /// <summary>Joins two tokenisers of one vocabulary.</summary>
    /// <param name="cutter">Cuts plain text. It should add no tokens of its own at beginning or end.</param>
    /// <param name="vocabulary">The model's own.</param>
    public EngineTokenizer(Microsoft.ML.Tokenizers.Tokenizer cutter, Text.Tokenizer vocabulary)
    {
        ArgumentNullException.ThrowIfNull(cutter);
        ArgumentNullException.ThrowIfNull(vocabulary);
        _cutter = cutter;
        _vocabulary = vocabulary;
    }

    /// <inheritdoc/>
    public override int VocabularySize => _vocabulary.VocabularySize;

    /// <inheritdoc/>
    public override int? BosId => _vocabulary.BosId;

    /// <inheritdoc/>
    public override int? EosId => _vocabulary.EosId;

    /// <inheritdoc/>
    public override IReadOnlyList<int> EndOfGenerationIds => _vocabulary.EndOfGenerationIds;

    /// <inheritdoc/>
    public override bool AddBos => _vocabulary.AddBos;

    /// <inheritdoc/>
    public override bool AddEos => _vocabulary.AddEos;

    /// <inheritdoc/>
    public override bool StripsLeadingSpace => _vocabulary.StripsLeadingSpace;

    /// <inheritdoc/>
    public override TokenKind KindOf(int id) => _vocabulary.KindOf(id);

    /// <inheritdoc/>
    public override string TextOf(int id) => _vocabulary.TextOf(id);

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> BytesOf(int id) => _vocabulary.BytesOf(id);

    /// <inheritdoc/>
    public override int? Find(string tokenText) => _vocabulary.Find(tokenText);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The wrapped tokeniser gave an id that the model does not have.</exception>
    public override EncodedText Encode(RenderedText text)
    {
        // The model's own tokens show where special ones stand; the runs between them are cut anew.
        EncodedText own = _vocabulary.Encode(text);
        List<int> ids = [], starts = [];
        for (int i = 0; i < own.Ids.Length; i++)
        {
            if (IsSpecial(own.Ids[i]))
            {
                ids.Add(own.Ids[i]);
                starts.Add(own.Starts[i]);
                continue;
            }

            int first = i, start = own.Starts[i];
            while (i + 1 < own.Ids.Length && !IsSpecial(own.Ids[i + 1]))
                i++;
            int before = ids.Count;
            Cut(text.Text, start, i + 1 < own.Ids.Length ? own.Starts[i + 1] : text.Text.Length, ids, starts);
            if (ids.FindIndex(before, IsSpecial) < 0)
                continue;

            // A cutter that knows special tokens finds them in what users wrote, too: there the model's own tokens stay.
            ids.RemoveRange(before, ids.Count - before);
            starts.RemoveRange(before, starts.Count - before);
            ids.AddRange(own.Ids.AsSpan(first, i + 1 - first));
            starts.AddRange(own.Starts.AsSpan(first, i + 1 - first));
        }

        return new EncodedText([.. ids], [.. starts]);
    }

    private bool IsSpecial(int id) => _vocabulary.KindOf(id) is TokenKind.Control or TokenKind.UserDefined;

    private void Cut(string text, int start, int end, List<int> ids, List<int> starts)
    {
        foreach (EncodedToken token in _cutter.EncodeToTokens(text.AsSpan(start, end - start), out _))
        {
            if ((uint)token.Id >= (uint)VocabularySize)
                throw new InvalidOperationException($"{_cutter.GetType().Name} gave token {token.Id}; the model has {VocabularySize}. Both must have the same vocabulary.");
            ids.Add(token.Id);
            starts.Add(Math.Min(start + token.Offset.Start.Value, end)); // a normaliser may have made the text longer
        }
    }
}
