using KvChat.Prompts;
using KvChat.Tests.StructuredOutput;
using KvChat.Tools;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Tools;

/// <summary>How published models write their calls, found out from their templates alone.</summary>
public sealed class ToolCallSyntaxTests
{
    [SharedTheory("golden/templates")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "Hermes")]
    [InlineData("Qwen-Qwen3-0.6B", "Hermes")]
    [InlineData("Qwen-QwQ-32B", "Hermes")]
    [InlineData("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "Hermes")]
    [InlineData("Bielik-11B-v3.0-Instruct", "Hermes")]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "Llama")]
    [InlineData("meta-llama-Llama-3.2-3B-Instruct", "Llama")]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407", "Mistral")]
    [InlineData("google-gemma-2-2b-it", "Hermes")]
    [InlineData("microsoft-Phi-3.5-mini-instruct", "Hermes")]
    [InlineData("HuggingFaceTB-SmolLM3-3B", "Hermes")]
    [InlineData("Qwen3.5-4B", "Hermes")] // its own form is not known: the default
    [InlineData("GLM-4.6", "Hermes")] // its own form is not known: the default
    [InlineData("openai-gpt-oss-120b", "Hermes")] // its own form is not known: the default
    [InlineData("unsloth-mistral-Devstral-Small-2507", "Devstral")]
    public void The_form_of_calls_shows_in_the_template(string template, string expected) => Assert.Equal(expected, Builder(template).Traits.ToolSyntax.Name);

    [SharedTheory("golden/templates")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct")]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct")]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407")]
    [InlineData("google-gemma-2-2b-it")]
    [InlineData("unsloth-mistral-Devstral-Small-2507")]
    [InlineData("Qwen3.5-4B")]
    [InlineData("GLM-4.6")]
    [InlineData("openai-gpt-oss-120b")]
    [InlineData("google-gemma-4-31B-it")]
    public void Calls_of_any_provider_and_their_results_are_rendered(string template)
    {
        PromptBuilder builder = Builder(template);
        AIFunction tool = AIFunctionFactory.Create((string code) => code, "find_ticket", "Find the ticket of something.");
        List<ChatMessage> history =
        [
            new(ChatRole.User, "Find it."),
            new(ChatRole.Assistant, [new FunctionCallContent("call_of-another/provider", "find_ticket", new Dictionary<string, object?> { ["code"] = "C8-7040" })]),
            new(ChatRole.Tool, [new FunctionResultContent("call_of-another/provider", "ticket 4471")]),
        ];
        var settings = new KvChat.Requests.RequestSettings
        {
            Sampling = new(), Compression = Runtime.Compression.KvCompression.Off, Tools = ToolSettings.Read(new ChatOptions { Tools = [tool] }),
        };
        string text = EmbeddedVocabulary.Tokenizer.Decode(builder.Build(history, settings).Tokens, skipSpecial: false);
        Assert.All((string[])["find_ticket", "C8-7040", "ticket 4471", "Find the ticket of something."], t => Assert.Contains(t, text, StringComparison.Ordinal));
    }

    private static PromptBuilder Builder(string template) =>
        new(File.ReadAllText(SharedFiles.PathOf($"golden/templates/{template}.jinja")), EmbeddedVocabulary.Tokenizer, TimeProvider.System);
}
