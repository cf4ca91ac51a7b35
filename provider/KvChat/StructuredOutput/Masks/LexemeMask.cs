namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// What tokens do from a place inside a lexeme, whatever comes after the lexeme: those that stay in it, and the nodes of the trie at which
/// the lexeme may end with more bytes of a token to come.
/// </summary>
internal sealed record LexemeMask(TokenSet Inside, int[] Exits, long LongestInside);

/// <summary>What tokens do from one thread: all that are allowed, and the longest of the shortest completions that they lead to.</summary>
internal sealed record ThreadMask(TokenSet Tokens, long LongestCompletion);

/// <summary>The allowed tokens of a state. <c>LongestCompletion</c>: with that many tokens left afterwards, each of them is safe.</summary>
internal sealed record StateMask(ulong[] Bits, long LongestCompletion);
