using System.Numerics;

namespace KvChat.Templates;

/// <summary>None.</summary>
internal sealed class NullValue(int origin) : TemplateValue(origin)
{
    internal override string TypeName => "NoneType";

    internal override bool IsTrue => false;
}

/// <summary>True or False; also the numbers 1 and 0, as in Python.</summary>
internal sealed class BooleanValue(bool value, int origin) : TemplateValue(origin)
{
    private static readonly BooleanValue True = new(true, 0);
    private static readonly BooleanValue False = new(false, 0);

    internal bool Value { get; } = value;

    internal override string TypeName => "bool";

    internal override bool IsTrue => Value;

    internal static BooleanValue Of(bool value) => value ? True : False;
}

/// <summary>An integer of at most <see cref="MaxBits"/> bits.</summary>
internal sealed class IntegerValue : TemplateValue
{
    internal const int MaxBits = 4096;

    internal IntegerValue(BigInteger value, int origin)
        : base(origin)
    {
        if (value.GetBitLength() > MaxBits)
            throw new TemplateFault("integer", $"an integer of more than {MaxBits} bits");
        Value = value;
    }

    internal BigInteger Value { get; }

    internal override string TypeName => "int";

    internal override bool IsTrue => !Value.IsZero;
}

/// <summary>A floating-point number.</summary>
internal sealed class FloatValue(double value, int origin) : TemplateValue(origin)
{
    internal double Value { get; } = value;

    internal override string TypeName => "float";

    internal override bool IsTrue => Value != 0;
}

/// <summary>What a missing name, attribute or element gives: prints as nothing, is false and empty, and fails when anything else is done with it.</summary>
internal sealed class UndefinedValue(string why) : TemplateValue(0)
{
    internal string Why { get; } = why;

    internal override string TypeName => "Undefined";

    internal override bool IsTrue => false;

    internal TemplateFault Fault() => new("undefined", Why);
}
