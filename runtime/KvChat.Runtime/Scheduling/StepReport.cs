namespace KvChat.Runtime.Scheduling;

/// <summary>What one step of the engine did. A back end may still be at work on it when a step ends that drew no token; the next one that draws waits for both.</summary>
/// <param name="PromptRows">Rows of prompts, those included that are read for their attention alone.</param>
/// <param name="AnswerRows">Rows of sequences that decode.</param>
/// <param name="Elapsed">From the step's plan to its end, admission, sampling and compression included.</param>
internal readonly record struct StepReport(int PromptRows, int AnswerRows, TimeSpan Elapsed);
