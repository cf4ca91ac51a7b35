using System.Globalization;
using System.Text.Json;

namespace KvChat.Gpu;

/// <summary>A table of results, printed as Markdown so that it can be taken over as it is.</summary>
/// <param name="name">What it shows.</param>
/// <param name="columns">Heads of the columns; numbers carry their unit there.</param>
internal sealed class GpuTable(string name, params string[] columns)
{
    private readonly List<object[]> _rows = [];

    /// <summary>What it shows.</summary>
    public string Name => name;

    /// <summary>Rows of texts, integers and numbers.</summary>
    public IReadOnlyList<object[]> Rows => _rows;

    /// <summary>Adds a row.</summary>
    /// <exception cref="ArgumentException">It has another number of cells than there are columns.</exception>
    public void Add(params object[] cells)
    {
        if (cells.Length != columns.Length)
            throw new ArgumentException($"{name} has {columns.Length} columns, not {cells.Length}.", nameof(cells));
        _rows.Add(cells);
    }

    /// <summary>Prints it.</summary>
    public void Write(TextWriter output)
    {
        string[][] texts = [columns, .. _rows.Select(row => row.Select(Text).ToArray())];
        int[] widths = [.. columns.Select((_, i) => texts.Max(row => row[i].Length))];
        bool[] numbers = [.. columns.Select((_, i) => _rows.Count > 0 && _rows.All(row => row[i] is not string))];
        output.WriteLine($"## {name}");
        output.WriteLine();
        for (int r = 0; r < texts.Length; r++)
        {
            output.WriteLine("| " + string.Join(" | ", texts[r].Select((text, i) => numbers[i] ? text.PadLeft(widths[i]) : text.PadRight(widths[i]))) + " |");
            if (r == 0)
                output.WriteLine("| " + string.Join(" | ", widths.Select((width, i) => numbers[i] ? new string('-', width - 1) + ":" : new string('-', width))) + " |");
        }

        output.WriteLine();
    }

    /// <summary>Writes it: name, columns, rows.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteStartArray("columns");
        foreach (string column in columns)
            json.WriteStringValue(column);
        json.WriteEndArray();
        json.WriteStartArray("rows");
        foreach (object[] row in _rows)
        {
            json.WriteStartArray();
            foreach (object cell in row)
                Write(json, cell);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, object cell)
    {
        switch (cell)
        {
            case int number:
                json.WriteNumberValue(number);
                break;
            case long number:
                json.WriteNumberValue(number);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case double:
                json.WriteNullValue();
                break;
            default:
                json.WriteStringValue(cell.ToString());
                break;
        }
    }

    // Four figures say all that a measurement knows.
    private static string Text(object cell) => cell switch
    {
        double number when double.IsNaN(number) => "",
        double number when Math.Abs(number) >= 1000 || number == 0 => number.ToString("0", CultureInfo.InvariantCulture),
        double number => number.ToString(Math.Abs(number) >= 100 ? "0.0" : Math.Abs(number) >= 10 ? "0.00" : Math.Abs(number) >= 1 ? "0.000" : "0.0000", CultureInfo.InvariantCulture),
        _ => Convert.ToString(cell, CultureInfo.InvariantCulture)!,
    };
}
