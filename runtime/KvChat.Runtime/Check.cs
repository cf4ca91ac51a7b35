namespace KvChat.Runtime;

/// <summary>Checks of settings that say the field, its value and what would be right.</summary>
internal static class Check
{
    public static void Field(bool holds, string type, string field, object? value, string right)
    {
        if (!holds)
            throw new ArgumentException($"{type}.{field} is {value ?? "null"}; it must be {right}.", field);
    }
}
