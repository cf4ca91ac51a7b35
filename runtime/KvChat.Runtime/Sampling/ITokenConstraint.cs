namespace KvChat.Runtime.Sampling;

/// <summary>
/// Holds one answer to a form while its tokens are drawn. The engine calls it from its own thread, one call at a time: <see cref="Apply"/> before each token is
/// drawn, <see cref="Accept"/> after it. It lives as long as its request, also while that gives its pages up for a while. An exception
/// ends the request and no other.
/// </summary>
public interface ITokenConstraint
{
    /// <summary>Whether nothing but the end of the answer can follow; the engine then ends it without asking the model again.</summary>
    bool MustStop { get; }

    /// <summary>Sets the logits of forbidden tokens to minus infinity. Should allocate nothing in the common case.</summary>
    /// <param name="logits">By token, <c>[vocabulary]</c>, as the model gave them.</param>
    /// <returns>False where no token is left and the answer is complete: it then ends.</returns>
    /// <exception cref="InvalidOperationException">No token is left, though the answer is not complete.</exception>
    bool Apply(Span<float> logits);

    /// <summary>Goes on by the token that was drawn. Tokens that end the answer are not told.</summary>
    /// <param name="token">One that <see cref="Apply"/> left.</param>
    void Accept(int token);
}
