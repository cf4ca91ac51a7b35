using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace KvChat.Gpu.Conformance;

/// <summary>
/// The cases of a suite that was written for xunit, found as its runner finds them: facts, theories with their inline data and with that of a static property. The runner itself loads
/// assemblies from files, which a native program has not; what is named here by type is kept when the program is compiled.
/// </summary>
internal static class Suite
{
    private const DynamicallyAccessedMemberTypes Members = DynamicallyAccessedMemberTypes.PublicMethods | DynamicallyAccessedMemberTypes.PublicProperties;

    /// <summary>
    /// What xunit's comparisons of collections make by reflection, once for every type of number that the suites compare: a native program has only what is named when it is compiled.
    /// </summary>
    public static void KeepComparisons()
    {
        Keep<float>();
        Keep<double>();
        Keep<int>();
        Keep<uint>();
        Keep<byte>();
        Keep<bool>();

        static void Keep<T>() => _ = Xunit.Sdk.CollectionTrackerExtensions.AsTracker(Enumerable.Empty<T>());
    }

    /// <summary>All cases; each makes a suite of its own when it is run, as xunit does.</summary>
    public static IEnumerable<(string Name, Action Run)> Cases<[DynamicallyAccessedMembers(Members)] T>(Func<T> create)
        where T : class
    {
        foreach (MethodInfo method in typeof(T).GetMethods().Where(m => m.IsDefined(typeof(FactAttribute), inherit: true)))
        {
            // Theories are facts, too.
            IEnumerable<object?[]> data = method.IsDefined(typeof(TheoryAttribute), inherit: true) ? Data<T>(method) : [[]];
            foreach (object?[] arguments in data)
                yield return ($"{typeof(T).Name}.{method.Name}({string.Join(", ", arguments)})", () => Invoke(create(), method, arguments));
        }
    }

    private static IEnumerable<object?[]> Data<[DynamicallyAccessedMembers(Members)] T>(MethodInfo method)
    {
        int count = 0;
        foreach (InlineDataAttribute inline in method.GetCustomAttributes<InlineDataAttribute>())
        {
            count++;
            yield return [.. inline.GetData(method).Single()];
        }

        foreach (MemberDataAttribute member in method.GetCustomAttributes<MemberDataAttribute>())
        {
            foreach (object?[] row in Source<T>(member.MemberName))
            {
                count++;
                yield return row;
            }
        }

        if (count == 0)
            throw new InvalidOperationException($"The theory {typeof(T).Name}.{method.Name} has no data.");
    }

    private static IEnumerable<object?[]> Source<[DynamicallyAccessedMembers(Members)] T>(string name)
    {
        const BindingFlags Static = BindingFlags.Public | BindingFlags.Static | BindingFlags.FlattenHierarchy;
        object? source = typeof(T).GetProperty(name, Static)?.GetValue(null) ?? typeof(T).GetMethod(name, Static)?.Invoke(null, null);
        return source as IEnumerable<object?[]> ?? throw new InvalidOperationException($"{typeof(T).Name}.{name} gives no rows of data.");
    }

    private static void Invoke(object suite, MethodInfo method, object?[] arguments)
    {
        // Numbers of inline data may be narrower than the parameters.
        ParameterInfo[] parameters = method.GetParameters();
        object?[] values = [.. arguments.Select((value, i) => value is IConvertible and not Enum && value.GetType() != parameters[i].ParameterType && parameters[i].ParameterType.IsPrimitive
            ? Convert.ChangeType(value, parameters[i].ParameterType) : value)];
        method.Invoke(suite, BindingFlags.DoNotWrapExceptions, null, values, null);
    }
}
