using System.Security.Cryptography;
using System.Text;

namespace KvChat.Tools;

/// <summary>Ids of calls: nine letters and digits, because templates of Mistral take no others.</summary>
internal static class ToolCallIds
{
    private const string Characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int Length = 9;

    public static string New() => RandomNumberGenerator.GetString(Characters, Length);

    /// <summary>The id as a template of Mistral takes it: itself, or always the same nine characters for one of another provider.</summary>
    public static string Short(string id)
    {
        if (id.Length == Length && id.All(char.IsAsciiLetterOrDigit))
            return id;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(id));
        return string.Concat(hash.Take(Length).Select(b => Characters[b % Characters.Length]));
    }
}
