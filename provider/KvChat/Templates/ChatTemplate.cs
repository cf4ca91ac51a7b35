using KvChat.Runtime.Text;

namespace KvChat.Templates;

/// <summary>
/// A chat template in the Jinja dialect of published models, as Hugging Face transformers renders it: <c>trim_blocks</c> and
/// <c>lstrip_blocks</c>, loop controls, <c>generation</c> blocks without effect, <c>tojson</c> without escapes for HTML, <c>raise_exception</c>
/// and <c>strftime_now</c>, lists and maps that cannot be changed. Parsed once; rendering is thread-safe. A template reaches nothing but
/// the values it is given, and stops at its <see cref="TemplateLimits"/>.
/// </summary>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<Statement> body;

    private ChatTemplate(IReadOnlyList<Statement> body) => this.body = body;

    /// <summary>Reads a template.</summary>
    /// <exception cref="ChatTemplateException">The source is no template, or has a tag that is not supported.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new(StatementParser.Parse(source));
    }

    /// <summary>Renders the template. Filters, tests, methods and functions that are not supported fail when they are reached.</summary>
    /// <param name="input">The variables and the clock.</param>
    /// <param name="limits">What the rendering may use; null for <see cref="TemplateLimits.Default"/>.</param>
    /// <returns>The prompt, with the origin of every character.</returns>
    /// <exception cref="ChatTemplateException">The template failed, raised an error itself, or went over a limit.</exception>
    public RenderedText Render(TemplateInput input, TemplateLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        Interpreter machine = new(input, limits ?? TemplateLimits.Default);
        Budget? outer = Budget.Current;
        Budget.Current = machine.Budget;
        try
        {
            return machine.Render(body);
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(fault.Message, machine.Line, fault.Construct, fault.RaisedByTemplate);
        }
        finally
        {
            Budget.Current = outer;
        }
    }
}
