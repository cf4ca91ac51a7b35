using Microsoft.Extensions.AI;

namespace KvChat.Prompts;

/// <summary>What a request says about thinking; null leaves it to the template.</summary>
internal readonly record struct ThinkingSettings(bool? Enabled, ReasoningEffort? Effort);
