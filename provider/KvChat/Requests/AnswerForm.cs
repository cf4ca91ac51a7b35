using System.Text.Json;
using KvChat.StructuredOutput;
using Microsoft.Extensions.AI;

namespace KvChat.Requests;

/// <summary>The form that an answer must have.</summary>
internal abstract record AnswerForm
{
    /// <summary>What it is made from: forms with the same source are the same.</summary>
    public abstract string Source { get; }

    /// <summary>Compiles it, or finds it again.</summary>
    public abstract Constraint Compile(ConstraintCompiler compiler);

    /// <summary>Reads the form from options; null where any text will do.</summary>
    /// <exception cref="NotSupportedException">The format is not known.</exception>
    /// <exception cref="ArgumentException">Two forms are asked for.</exception>
    public static AnswerForm? Read(ChatOptions options)
    {
        AnswerForm? format = options.ResponseFormat switch
        {
            null or ChatResponseFormatText => null,
            ChatResponseFormatJson { Schema: { } schema } => new OfSchema(schema),
            ChatResponseFormatJson => new OfJson(),
            _ => throw UnsupportedOptions.Refusal(nameof(options.ResponseFormat), $"{options.ResponseFormat.GetType().Name} is not known"),
        };
        var asked = new List<(string Name, AnswerForm Form)>();
        if (format is not null)
            asked.Add(("ChatOptions.ResponseFormat", format));
        if (Text(options, KvOptionNames.Grammar) is { } grammar)
            asked.Add(($"AdditionalProperties[\"{KvOptionNames.Grammar}\"]", new OfGrammar(grammar)));
        if (Text(options, KvOptionNames.Regex) is { } regex)
            asked.Add(($"AdditionalProperties[\"{KvOptionNames.Regex}\"]", new OfRegex(regex)));
        return asked.Count <= 1
            ? asked.Select(a => a.Form).FirstOrDefault()
            : throw new ArgumentException($"{string.Join(" and ", asked.Select(a => a.Name))} each ask for a form; give one of them.", nameof(options));
    }

    private static string? Text(ChatOptions options, string name) =>
        options.AdditionalProperties?.TryGetValue(name, out object? value) == true && !LooseValue.IsNull(value) ? LooseValue.Text(name, value) : null;

    private sealed record OfSchema(JsonElement Schema) : AnswerForm
    {
        public override string Source => "schema\n" + Schema.GetRawText();

        public override Constraint Compile(ConstraintCompiler compiler) => compiler.FromJsonSchema(Schema);
    }

    private sealed record OfJson : AnswerForm
    {
        public override string Source => "json";

        public override Constraint Compile(ConstraintCompiler compiler) => compiler.FromJsonObject();
    }

    private sealed record OfGrammar(string Grammar) : AnswerForm
    {
        public override string Source => "grammar\n" + Grammar;

        public override Constraint Compile(ConstraintCompiler compiler) => compiler.FromGrammar(Grammar);
    }

    private sealed record OfRegex(string Pattern) : AnswerForm
    {
        public override string Source => "regex\n" + Pattern;

        public override Constraint Compile(ConstraintCompiler compiler) => compiler.FromRegex(Pattern);
    }
}
