using System.Runtime.CompilerServices;

namespace KvChat.Runtime;

/// <summary>Checks of settings that say the field, its value and what would be right.</summary>
internal static class Check
{
    public static void Field<T>(bool holds, string type, string field, T value, string right)
    {
        if (!holds)
            throw new ArgumentException($"{type}.{field} is {(object?)value ?? "null"}; it must be {right}.", field);
    }

    /// <summary>The same with a text that is made only where the check fails: checks stand in loops over tokens.</summary>
    public static void Field<T>(bool holds, string type, string field, T value, [InterpolatedStringHandlerArgument(nameof(holds))] ref TextOfFailure right)
    {
        if (!holds)
            Field(holds, type, field, value, right.ToStringAndClear());
    }

    /// <summary>An interpolated text whose parts are looked at only where a check fails.</summary>
    [InterpolatedStringHandler]
    public ref struct TextOfFailure
    {
        private DefaultInterpolatedStringHandler _text;

        public TextOfFailure(int literalLength, int formattedCount, bool holds, out bool isWanted)
        {
            isWanted = !holds;
            if (isWanted)
                _text = new DefaultInterpolatedStringHandler(literalLength, formattedCount);
        }

        public void AppendLiteral(string text) => _text.AppendLiteral(text);

        public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

        public string ToStringAndClear() => _text.ToStringAndClear();
    }
}
