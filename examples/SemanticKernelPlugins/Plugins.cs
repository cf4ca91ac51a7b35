using System.ComponentModel;
using System.Globalization;
using Microsoft.SemanticKernel;

namespace SemanticKernelPlugins;

/// <summary>Searches the document that the conversation is about: what its first sentence with a word ends in.</summary>
internal sealed class DocumentPlugin(string document)
{
    [KernelFunction("search_document"), Description("Search the document of something.")]
    public string Search(string query) =>
        document.Split(". ", StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(s => s.Contains(query, StringComparison.OrdinalIgnoreCase))?.TrimEnd('.').Split(' ')[^1] ?? "not found";
}

/// <summary>Adds numbers.</summary>
internal sealed class SumPlugin
{
    [KernelFunction("get_sum"), Description("Get the sum of something.")]
    public string Sum(string query)
    {
        double sum = 0;
        foreach (string part in query.Split(['+', '-', ' ', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            if (!double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                return $"{part} is no number";
            sum += number;
        }

        return sum.ToString(CultureInfo.InvariantCulture);
    }
}

/// <summary>Tells the time.</summary>
internal sealed class ClockPlugin(TimeProvider clock)
{
    [KernelFunction("get_time"), Description("Get the time of something.")]
    public string Now(string place) => clock.GetUtcNow().ToString("HHmm", CultureInfo.InvariantCulture);
}

/// <summary>A small order book: where which order is on its way, as a number of its transport.</summary>
internal sealed class OrderPlugin
{
    private readonly Dictionary<string, string> _orders = new(StringComparer.OrdinalIgnoreCase) { ["C8-7040"] = "4471", ["B1-2222"] = "5093" };

    [KernelFunction("track_order"), Description("Track the order of something.")]
    public string Track(string code) => _orders.GetValueOrDefault(code, "unknown");
}
