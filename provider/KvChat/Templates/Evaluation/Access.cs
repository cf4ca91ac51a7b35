namespace KvChat.Templates;

/// <summary>
/// Attributes and elements. As in Jinja, <c>a.b</c> looks for a method first and then for a key, <c>a['b']</c> the other way round,
/// and what is not there is undefined. Methods that would change a value are as good as missing.
/// </summary>
internal static class Access
{
    internal static TemplateValue Attribute(TemplateValue target, TextValue name) =>
        OwnAttribute(target, name.Value) ?? Element(target, name) ?? Missing(target, name);

    internal static TemplateValue Item(TemplateValue target, TemplateValue place)
    {
        TemplateValue? found = Element(target, place);
        if (found is null && place is TextValue name)
            found = OwnAttribute(target, name.Value);
        return found ?? Missing(target, place);
    }

    /// <summary>Follows a path such as <c>function.name</c> or <c>0.role</c>, as filters take it.</summary>
    internal static TemplateValue Path(TemplateValue target, TemplateValue path, TemplateValue? otherwise = null)
    {
        if (path is not TextValue text)
            return path is NullValue ? target : Item(target, path) is UndefinedValue none ? otherwise ?? none : Item(target, path);
        foreach (string part in text.Value.Split('.'))
        {
            bool isIndex = part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit);
            target = Item(target, isIndex ? TemplateValue.FromInt64(long.Parse(part, System.Globalization.CultureInfo.InvariantCulture)) : new TextValue(part, 0));
            if (target is UndefinedValue && otherwise is not null)
                target = otherwise;
        }

        return target;
    }

    private static TemplateValue? OwnAttribute(TemplateValue target, string name)
    {
        switch (target)
        {
            case UndefinedValue undefined:
                throw undefined.Fault();
            case NamespaceValue space:
                return space.Attributes.GetValueOrDefault(name);
            case LoopValue loop:
                return loop.Attribute(name);
            case GroupValue group when name is "grouper" or "list":
                return name == "grouper" ? group.Grouper : group.Members;
            case RangeValue range when name is "start" or "stop" or "step":
                return new IntegerValue(name switch { "start" => range.Start, "stop" => range.Stop, _ => range.Step }, range.Origin);
            case MacroValue macro when name == "name":
                return new TextValue(macro.Name, 0);
        }

        if (Methods.IsChange(target, name))
            return new UndefinedValue($"'{name}' would change a '{target.TypeName}', which templates may not do");
        return Methods.Find(target, name) is { } method ? new MethodValue(name, target, method) : null;
    }

    private static TemplateValue? Element(TemplateValue target, TemplateValue place)
    {
        switch (target)
        {
            case UndefinedValue undefined:
                throw undefined.Fault();
            case MapValue map:
                return place is not (ListValue { IsTuple: false } or MapValue) && map.TryGet(place, out TemplateValue? value) ? value : null;
            case ListValue list:
                return Within(place, list.Items.Length, out int item) ? list.Items[item] : null;
            case RangeValue range:
                return Within(place, range.Count, out int number) ? range.At(number) : null;
            case TextValue text:
                Budget.Current?.Step(text.HasSurrogates ? text.Length / 16 : 0);
                if (!Within(place, text.CodePoints, out int codePoint))
                    return null;
                int unit = text.UnitOf(codePoint);
                return text.Slice(unit, text.WidthAt(unit));
            default:
                return null;
        }
    }

    private static bool Within(TemplateValue place, int count, out int index)
    {
        index = 0;
        if (place is not (IntegerValue or BooleanValue))
            return false;
        index = Numbers.ToIndex(place, "[]");
        if (index < 0)
            index += count;
        return index >= 0 && index < count;
    }

    private static UndefinedValue Missing(TemplateValue target, TemplateValue place) =>
        new(place is TextValue name ? $"a '{target.TypeName}' has no '{name.Value}'" : $"a '{target.TypeName}' has no such element");
}
