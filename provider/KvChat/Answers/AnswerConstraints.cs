using KvChat.Requests;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Masks;
using KvChat.Tools;

namespace KvChat.Answers;

/// <summary>Puts together what an answer is held to: its form, its tools, and room for reasoning before both. One per model; thread-safe.</summary>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="syntax">How the model writes calls.</param>
internal sealed class AnswerConstraints(Tokenizer tokenizer, ToolCallSyntax syntax)
{
    private readonly ConstraintCompiler _compiler = new();
    private readonly AnswerVocabulary _vocabulary = new(tokenizer, syntax);
    private readonly Lazy<CallTrigger> _trigger = new(() => new CallTrigger(syntax.Begin, tokenizer));

    /// <summary>How the model writes calls.</summary>
    public ToolCallSyntax Syntax => syntax;

    /// <summary>Put around every answer's constraint, or in place of none; null in use. Tests let a script draw an answer's tokens through it.</summary>
    internal Func<ITokenConstraint?, ITokenConstraint>? Around { get; set; }

    /// <summary>What makes the constraint of a request, given the most tokens of its answer; null where nothing is asked for.</summary>
    /// <param name="settings">What is asked for.</param>
    /// <param name="thinks">Whether the prompt ends inside reasoning.</param>
    /// <exception cref="NotSupportedException">A schema, grammar or tool cannot be enforced.</exception>
    /// <exception cref="FormatException">A schema, grammar or regular expression is malformed.</exception>
    public Func<int, ITokenConstraint>? For(RequestSettings settings, bool thinks)
    {
        Func<int, ITokenConstraint>? own = Own(settings, thinks);
        return Around is { } around ? most => around(own?.Invoke(most)) : own;
    }

    private Func<int, ITokenConstraint>? Own(RequestSettings settings, bool thinks)
    {
        Constraint? form = settings.Form?.Compile(_compiler);
        (Func<int, ITokenConstraint>? make, long shortest) = settings.Tools is { } tools ? ForTools(tools, settings.Form, form) : form is null ? (null, 0) : (Whole(form), form.ShortestDocument);
        bool isFree = form is null && settings.Tools is not { Use: ToolUse.Required };
        if (make is null || isFree || tokenizer.Find(ReasoningReader.Close) is not { } close)
            return make;
        int? open = thinks ? null : tokenizer.Find(ReasoningReader.Open);
        if (!thinks && open is null)
            return make;
        return most => new ReasoningConstraint(open, close, _vocabulary.Breaks, make, (int)Math.Min(int.MaxValue / 2, shortest), most);
    }

    private (Func<int, ITokenConstraint> Make, long Shortest) ForTools(ToolSettings tools, AnswerForm? asked, Constraint? form)
    {
        CallTrigger trigger = _trigger.Value;
        if (tools.Use == ToolUse.Forbidden)
            return form is null ? (most => new TriggeredConstraint(trigger, _vocabulary, null, false, most), 0) : (Whole(form), form.ShortestDocument);
        string key = $"{tools.Use}\n{tools.Several}\n{string.Join('\n', tools.Callable.Select(t => t.Name + "\n" + ToolSettings.Parameters(t).GetRawText()))}";
        if (!trigger.IsControl && (tools.Use == ToolUse.Required || form is not null))
        {
            Constraint whole = form is null || tools.Use == ToolUse.Required
                ? _compiler.Remember("calls", key, () => ToolCallGrammar.Answer(syntax, tools))
                : _compiler.Remember("calls or form", $"{key}\n{asked!.Source}", () => ToolCallGrammar.AnswerOr(syntax, tools, asked.Compile(new ConstraintCompiler()).Root)); // pieces belong to one grammar
            return (Whole(whole, _vocabulary.Marks), whole.ShortestDocument);
        }

        Constraint block = _compiler.Remember("call", key, () => ToolCallGrammar.Block(syntax, tools));
        if (trigger.IsControl && (tools.Use == ToolUse.Required || form is not null))
        {
            ITokenConstraint Lead(int most) => new LeadingTokenConstraint(
                trigger.Token!.Value, Whole(block, _vocabulary.Marks)(most - 1), tools.Use == ToolUse.Required ? null : Whole(form!)(most));
            return (Lead, block.ShortestDocument + 1);
        }

        bool endsAfterCall = syntax.IsArray || !tools.Several || syntax.Begin.Length == 0;
        return (most => new TriggeredConstraint(trigger, _vocabulary, block, endsAfterCall, most), 0);
    }

    private Func<int, ITokenConstraint> Whole(Constraint constraint, IReadOnlyList<int>? marks = null)
    {
        TokenMasker masker = _vocabulary.Masker;
        return most => new TokenConstraint(masker, tokenizer, constraint, most, marks: marks);
    }
}
