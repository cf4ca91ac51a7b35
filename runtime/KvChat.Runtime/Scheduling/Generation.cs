using System.Runtime.CompilerServices;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>An answer on its way. Tokens can be read by one reader.</summary>
public sealed class Generation
{
    private readonly TaskCompletionSource<GenerationResult> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TokenQueue _tokens;
    private readonly Action _wakeEngine;
    private readonly List<TokenLogProbabilities> _probabilities = [];
    private volatile bool _cancelled;
    private volatile bool _stopped;

    internal Generation(int capacity, Action wakeEngine)
    {
        _tokens = new TokenQueue(capacity);
        _wakeEngine = wakeEngine;
    }

    /// <summary>Ends when the last token has been drawn; fails as the request does.</summary>
    public Task<GenerationResult> Completion => _completion.Task;

    internal bool IsCancelled => _cancelled;

    internal bool IsStopped => _stopped;

    internal CancellationTokenRegistration Registration { get; set; }

    /// <summary>Ends the request within one step; <see cref="Completion"/> is then cancelled, unless it had ended before.</summary>
    public void Cancel()
    {
        _cancelled = true;
        _wakeEngine();
    }

    /// <summary>
    /// Ends the answer within one step, as a stop token would: <see cref="Completion"/> gives its result and its KVs are held. A few tokens may
    /// still be drawn.
    /// </summary>
    public void Stop()
    {
        _stopped = true;
        _wakeEngine();
    }

    /// <summary>The answer's tokens as they are drawn. Breaking the enumeration off cancels the request.</summary>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <exception cref="GenerationFailedException">The request failed.</exception>
    /// <exception cref="OperationCanceledException">The request was cancelled; what had been drawn and not read is not given.</exception>
    public async IAsyncEnumerable<int> ReadTokensAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static g => ((Generation)g!).Cancel(), this);
        try
        {
            for (int i = 0; await _tokens.WaitAsync(i).ConfigureAwait(false); i++)
            {
                cancellationToken.ThrowIfCancellationRequested(); // the engine may be far ahead, or have ended
                yield return _tokens[i];
            }

            await _completion.Task.ConfigureAwait(false);
        }
        finally
        {
            Cancel();
        }
    }

    /// <summary>How probable a token of the answer was; null where that was not asked for.</summary>
    /// <param name="index">Of a token that <see cref="ReadTokensAsync"/> has given, from 0.</param>
    public TokenLogProbabilities? LogProbabilitiesOf(int index)
    {
        lock (_probabilities)
            return (uint)index < (uint)_probabilities.Count ? _probabilities[index] : null;
    }

    /// <summary>Keeps what is known about the next token; called before it is published.</summary>
    internal void Note(TokenLogProbabilities probabilities)
    {
        lock (_probabilities)
            _probabilities.Add(probabilities);
    }

    internal void Publish(int token) => _tokens.Add(token);

    internal void Complete(GenerationResult result)
    {
        Registration.Dispose();
        _completion.TrySetResult(result);
        _tokens.End();
    }

    internal void Fail(Exception error)
    {
        Registration.Dispose();
        if (error is OperationCanceledException cancelled)
            _completion.TrySetCanceled(cancelled.CancellationToken);
        else
            _completion.TrySetException(error);
        _ = _completion.Task.Exception; // nobody has to await it
        _tokens.End();
    }
}
