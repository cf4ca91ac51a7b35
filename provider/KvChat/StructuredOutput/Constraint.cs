using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput;

/// <summary>
/// A language of documents, compiled once from a schema, a grammar or a regular expression. Immutable to its users and safe for many
/// threads; what is found out about its states is kept for all of them.
/// </summary>
internal sealed class Constraint
{
    /// <param name="root">A settled grammar that can be written.</param>
    /// <param name="description">What it came from, for errors.</param>
    public Constraint(Piece root, string description)
    {
        Description = description;
        ShortestDocument = root.MinBytes;
        Root = root;
        Parser = new Parser(root);
    }

    /// <summary>The grammar.</summary>
    public Piece Root { get; }

    /// <summary>What it came from, for errors.</summary>
    public string Description { get; }

    /// <summary>Bytes of the shortest document.</summary>
    public long ShortestDocument { get; }

    internal Parser Parser { get; }

    /// <summary>Starts to follow one document.</summary>
    public ConstraintMatcher Match() => new(this);

    /// <summary>Checks that a document fits into a number of tokens, each of which is a byte at worst.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not; the message says what would.</exception>
    public void EnsureFits(int maxTokens)
    {
        if (maxTokens < ShortestDocument)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxTokens),
                maxTokens,
                $"MaxOutputTokens is {maxTokens}, but the shortest document of the {Description} takes up to {ShortestDocument} tokens; it must be at least that.");
        }
    }
}
