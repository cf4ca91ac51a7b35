namespace KvChat.StructuredOutput.Schema;

/// <summary>That a value satisfies a schema, or that it does not.</summary>
internal readonly record struct Claim(SchemaNode Node, bool Holds)
{
    public Claim Negated() => new(Node, !Holds);

    /// <summary>Whether it says nothing.</summary>
    public bool IsTrivial => Holds ? Node.IsTrue : Node.IsFalse;

    /// <summary>Whether nothing can satisfy it, by its form alone.</summary>
    public bool IsAbsurd => Holds ? Node.IsFalse : Node.IsTrue;
}
