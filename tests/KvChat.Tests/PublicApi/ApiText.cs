using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace KvChat.Tests.PublicApi;

/// <summary>The public surface of an assembly as sorted lines: what another program could compile against.</summary>
internal static class ApiText
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static IEnumerable<string> Describe(Assembly assembly) => assembly.GetTypes().Where(IsVisible).SelectMany(Lines).Order(StringComparer.Ordinal);

    private static bool IsVisible(Type type) => type.IsNested ? (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsVisible(type.DeclaringType!) : type.IsPublic;

    private static IEnumerable<string> Lines(Type type)
    {
        string name = Name(type);
        yield return $"{Kind(type)} {name}{Bases(type)}";
        if (typeof(Delegate).IsAssignableFrom(type))
        {
            MethodInfo invoke = type.GetMethod("Invoke")!;
            yield return $"{name}.{Method(invoke)}";
            yield break;
        }

        foreach (MemberInfo member in type.GetMembers(Declared))
        {
            if (Member(member) is { } line)
                yield return $"{name}.{line}";
        }
    }

    private static string Kind(Type type) => type switch
    {
        { IsEnum: true } => "enum",
        { IsInterface: true } => "interface",
        { IsValueType: true } => "struct",
        _ when typeof(Delegate).IsAssignableFrom(type) => "delegate",
        { IsAbstract: true, IsSealed: true } => "static class",
        { IsAbstract: true } => "abstract class",
        { IsSealed: true } => "sealed class",
        _ => "class",
    };

    private static string Bases(Type type)
    {
        if (type.IsEnum || typeof(Delegate).IsAssignableFrom(type))
            return "";
        List<string> bases = [];
        if (type.BaseType is { } b && b != typeof(object) && b != typeof(ValueType))
            bases.Add(Name(b));
        bases.AddRange(type.GetInterfaces().Where(i => i.IsPublic).Select(Name).Order(StringComparer.Ordinal));
        return bases.Count == 0 ? "" : $" : {string.Join(", ", bases)}";
    }

    private static string? Member(MemberInfo member) => member switch
    {
        FieldInfo f when (f.IsPublic || f.IsFamily || f.IsFamilyOrAssembly) && !f.IsSpecialName =>
            $"{f.Name} : {Modifiers(f)}{Name(f.FieldType)}{(f.IsLiteral ? $" = {Value(f.GetRawConstantValue())}" : "")}",
        ConstructorInfo c when IsOpen(c) && !c.IsStatic => $"new({Parameters(c)})",
        MethodInfo m when IsOpen(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) && !m.IsDefined(typeof(CompilerGeneratedAttribute)) => Method(m),
        PropertyInfo p when Accessors(p) is { Length: > 0 } accessors => $"{p.Name}{Indices(p)} : {Modifiers((p.GetMethod ?? p.SetMethod)!)}{Name(p.PropertyType)} {{ {accessors}}}",
        EventInfo e when e.AddMethod is { } add && IsOpen(add) => $"{e.Name} : event {Name(e.EventHandlerType!)}",
        _ => null,
    };

    private static bool IsOpen(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Accessors(PropertyInfo property)
    {
        string text = property.GetMethod is { } get && IsOpen(get) ? "get; " : "";
        if (property.SetMethod is not { } set || !IsOpen(set))
            return text;
        bool isInit = set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));
        string required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        return $"{text}{required}{(isInit ? "init" : "set")}; ";
    }

    private static string Indices(PropertyInfo property) =>
        property.GetIndexParameters() is { Length: > 0 } indices ? $"[{string.Join(", ", indices.Select(Parameter))}]" : "";

    private static string Method(MethodInfo method)
    {
        string generic = method.IsGenericMethodDefinition ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "";
        return $"{method.Name}{generic}({Parameters(method)}) : {Modifiers(method)}{Name(method.ReturnType)}";
    }

    private static string Modifiers(FieldInfo field) => field.IsLiteral ? "const " : $"{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}";

    private static string Modifiers(MethodInfo method)
    {
        string access = method.IsPublic ? "" : "protected ";
        if (method.IsStatic)
            return $"{access}static ";
        if (method.IsAbstract)
            return method.DeclaringType!.IsInterface ? access : $"{access}abstract ";
        return method.IsVirtual && !method.IsFinal && !method.DeclaringType!.IsSealed ? $"{access}virtual " : access;
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo p)
    {
        string way = p.IsOut ? "out " : p.IsIn && p.ParameterType.IsByRef ? "in " : p.ParameterType.IsByRef ? "ref " : p.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        return $"{way}{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? $" = {Value(p.RawDefaultValue)}" : "")}";
    }

    private static string Value(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        bool truth => truth ? "true" : "false",
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return Name(type.GetElementType()!);
        if (type.IsArray)
            return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        if (type.IsPointer)
            return $"{Name(type.GetElementType()!)}*";
        if (type.IsGenericParameter)
            return type.Name;
        string name = type.IsNested ? $"{Name(type.DeclaringType!)}.{type.Name}" : Short(type);
        if (!type.IsGenericType)
            return name;
        int tick = name.LastIndexOf('`');
        return tick < 0 ? name : $"{name[..tick]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }

    /// <summary>Types of the base library without their namespace: the lines are for people.</summary>
    private static string Short(Type type) => type.Namespace is "System" or "System.Collections.Generic" or "System.Threading" or "System.Threading.Tasks" ? type.Name : $"{type.Namespace}.{type.Name}";
}
