namespace KvChat.Models;

/// <summary>A model's name fits nothing, or several things among which it must choose.</summary>
public sealed class ModelNotFoundException : Exception
{
    private const int LongestList = 40;

    /// <summary>An error about a model's name.</summary>
    /// <param name="model">The name as it was given.</param>
    /// <param name="problem">What is wrong with it, as a sentence.</param>
    /// <param name="available">What there is instead.</param>
    /// <param name="innerException">What caused this error, if anything did.</param>
    public ModelNotFoundException(string model, string problem, IReadOnlyList<string> available, Exception? innerException = null)
        : base(Compose(model, problem, available), innerException)
    {
        Model = model;
        Available = available;
    }

    /// <summary>The name as it was given.</summary>
    public string Model { get; }

    /// <summary>What there is instead; may be empty.</summary>
    public IReadOnlyList<string> Available { get; }

    private static string Compose(string model, string problem, IReadOnlyList<string> available)
    {
        ArgumentNullException.ThrowIfNull(available);
        string list = available.Count == 0 ? "" : $" There is: {string.Join(", ", available.Take(LongestList))}{(available.Count > LongestList ? $" and {available.Count - LongestList} more" : "")}.";
        return $"Model \"{model}\": {problem}{list}";
    }
}
