namespace KvChat.StructuredOutput.Masks;

/// <summary>A node of a trie at which a lexeme may end while tokens go on.</summary>
internal readonly record struct Exit(TokenTrie Trie, int Node);

/// <summary>
/// What tokens do from a place inside a lexeme, whatever comes after the lexeme: those that stay in it or end with it, the longest of
/// their shortest ways to its end, and where tokens go on behind it.
/// </summary>
internal sealed record LexemeMask(TokenSet Inside, long LongestInside, Exit[] Exits);

/// <summary>What tokens do from one thread: those within its lexeme, those that go on behind it, and the longest of the shortest completions of all.</summary>
internal sealed record ThreadMask(TokenSet Inside, TokenSet Beyond, long LongestCompletion);

/// <summary>The allowed tokens of a state of many threads. <c>LongestCompletion</c>: with that many tokens left afterwards, each of them is safe.</summary>
internal sealed record StateMask(ulong[] Bits, long LongestCompletion);
