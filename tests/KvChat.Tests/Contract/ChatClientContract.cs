using System.Reflection;

namespace KvChat.Tests.Contract;

/// <summary>
/// What any <see cref="Microsoft.Extensions.AI.IChatClient"/> over a local text model must do: derive, and give the client. One test a rule; the rules are the public methods of
/// <see cref="ChatClientRules"/>.
/// </summary>
public abstract class ChatClientContract
{
    public static TheoryData<string> Rules => [.. ChatClientRules.Names];

    protected abstract ContractSubject Subject { get; }

    [Theory]
    [MemberData(nameof(Rules))]
    public Task Holds(string rule) => ChatClientRules.Check(rule, Subject);
}

public static partial class ChatClientRules
{
    private static readonly Dictionary<string, MethodInfo> All = typeof(ChatClientRules).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
        .Where(m => m.ReturnType == typeof(Task) && m.GetParameters() is [{ ParameterType: var only }] && only == typeof(ContractSubject)).ToDictionary(m => m.Name);

    public static IEnumerable<string> Names => All.Keys.Order(StringComparer.Ordinal);

    public static Task Check(string rule, ContractSubject subject) => (Task)All[rule].Invoke(null, [subject])!;

    /// <summary>Does what a client may refuse, if it says what it refuses: a NotSupportedException that names the option.</summary>
    private static async Task OrRefused(string name, bool must, Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (NotSupportedException error) when (!must)
        {
            Assert.Contains(name, error.Message, StringComparison.OrdinalIgnoreCase);
        }
    }
}
