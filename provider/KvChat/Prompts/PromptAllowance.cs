using System.Buffers;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Text;
using KvChat.Templates;
using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>
/// Refuses what cannot fit before anything is made of it: a text of many megabytes would be copied, rendered and cut into tokens only to be found too long. One per model; thread-safe.
/// </summary>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="contextTokens">The model's context.</param>
internal sealed class PromptAllowance(Tokenizer tokenizer, int contextTokens)
{
    /// <summary>Normalisation may join a letter and its marks: of so many characters at least one is left.</summary>
    private const int JoinedCharacters = 4;

    private static readonly SearchValues<char> s_blanks = SearchValues.Create(" \t\r\n");

    private readonly Lazy<int> _longestToken = new(() => Enumerable.Range(0, tokenizer.VocabularySize).Max(id => Math.Max(1, tokenizer.BytesOf(id).Length)));

    /// <summary>Checks a conversation by the length of its texts alone.</summary>
    /// <exception cref="KvCapacityException">It has more characters than a template may render, or surely more tokens than the context.</exception>
    public void Check(IReadOnlyList<ChatMessage> messages, string? instructions)
    {
        int most = TemplateLimits.Default.MaxOutputLength;
        long characters = Counted("ChatOptions.Instructions", instructions, most, 0), read = 0;
        for (int i = 0; i < messages.Count; i++)
        {
            ChatMessage message = messages[i];
            foreach (AIContent content in message?.Contents ?? [])
            {
                if (TextOf(content) is not { } text)
                    continue;
                string where = $"message {i} ({message!.Role.Value})";
                characters = Counted(where, text, most, characters);

                // Only what a template never leaves out: white space may be trimmed, and earlier reasoning may be dropped.
                read += message.Role == ChatRole.User ? Filled(text) : 0;
                CheckContext(where, text.Length, read);
            }
        }
    }

    private static long Counted(string where, string? text, int most, long before)
    {
        long all = before + (text?.Length ?? 0);
        return all <= most ? all : throw new KvCapacityException(
            $"With {where}, a text of {text!.Length} characters, the conversation is longer than can be rendered; characters", all, most, "Send less of it.");
    }

    private void CheckContext(string where, int length, long read)
    {
        if (read <= contextTokens)
            return; // no token is longer than all of it
        long least = read / JoinedCharacters / _longestToken.Value;
        if (least > contextTokens)
        {
            throw new KvCapacityException(
                $"With {where}, a text of {length} characters, the conversation has at least {least} tokens; tokens of context", least, contextTokens,
                "Shorten it, or use a model with a longer context.");
        }
    }

    /// <summary>Characters that are no white space.</summary>
    private static int Filled(ReadOnlySpan<char> text)
    {
        int count = 0;
        for (int at = 0; at < text.Length;)
        {
            int next = text[at..].IndexOfAny(s_blanks);
            int end = next < 0 ? text.Length : at + next;
            count += end - at;
            at = end + 1;
        }

        return count;
    }

    private static string? TextOf(AIContent content) => content switch
    {
        TextContent text => text.Text,
        FunctionResultContent { Result: string text } => text,
        _ => null,
    };
}
