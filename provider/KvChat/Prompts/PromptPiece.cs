using KvChat.Documents;
using KvChat.Runtime.Compression;

namespace KvChat.Prompts;

/// <summary>A piece of content that goes into a prompt; its place in the list of pieces, counted from 1, is its origin in the rendered text.</summary>
/// <param name="Kind">What it is. Pieces of the newest user message are <see cref="PromptSpanKind.Question"/> until it is known how long they are.</param>
/// <param name="Retention">What the caller said about its KVs; null for the default of its kind.</param>
/// <param name="IsAnswer">Whether it is an assistant's text, whose tokens may still be known.</param>
/// <param name="Document">The prepared document that it is the text of, or null.</param>
internal sealed record PromptPiece(PromptSpanKind Kind, KvRetention? Retention, bool IsAnswer = false, ResidentText? Document = null);
