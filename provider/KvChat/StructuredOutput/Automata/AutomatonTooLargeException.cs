namespace KvChat.StructuredOutput.Automata;

/// <summary>An automaton would have more states than allowed; callers turn it into an error that names the keyword.</summary>
internal sealed class AutomatonTooLargeException(string message) : Exception(message);
