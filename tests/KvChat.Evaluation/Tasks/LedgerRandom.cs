using System.Globalization;

namespace KvChat.Evaluation.Tasks;

/// <summary>Draws the names and values of ledgers.</summary>
internal sealed class LedgerRandom(int seed)
{
    private const string Letters = "ABCDEFGHJKLMNPQRSTUVWXYZ";
    private readonly Random _random = new(seed);

    public int Below(int bound) => _random.Next(bound);

    public int From(int first, int past) => _random.Next(first, past);

    public double Share() => _random.NextDouble();

    public T Of<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];

    public void Shuffle<T>(List<T> items) => _random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(items));

    public string Name(int syllables = 0)
    {
        int count = syllables > 0 ? syllables : Below(4) == 0 ? 3 : 2;
        string word = string.Concat(Enumerable.Range(0, count).Select(_ => Of(LedgerWords.Onsets) + Of(LedgerWords.Nuclei))) + Of(LedgerWords.Codas);
        return char.ToUpperInvariant(word[0]) + word[1..];
    }

    public string Site() => $"the {Name()} {Of(LedgerWords.SiteKinds)}";

    public string Device() => $"the {Name()} {Of(["gauge", "meter", "beacon", "pump", "camera"])}";

    public string Person() => $"{Of(LedgerWords.GivenNames)} {Name()}";

    public string Code() => Below(4) switch
    {
        0 => Text($"{Letter()}{Below(10)}-{From(1000, 9999)}"),
        1 => Text($"{From(100, 999)}-{Letter()}{Letter()}"),
        2 => Text($"{From(1000, 9999)}-{From(1000, 9999)}"),
        _ => Text($"{Letter()}{Letter()}{Letter()}{From(10, 99)}"),
    };

    public string Stock() => Text($"{From(12, 990)} crates of {Of(LedgerWords.Goods)}");

    public string Cargo() => Text($"{From(12, 990)} tons of {Of(LedgerWords.Goods)}");

    public string Town() => Name(2) + Of(["ford", "burg", "ton", "haven"]);

    public string Day() => Text($"{From(1, 29)} {Of(LedgerWords.Months)}");

    public string Budget() => Text($"{From(11, 980)} thousand crowns");

    public string Topic() => Of(LedgerWords.Topics);

    public string Colour() => Of(LedgerWords.Colours);

    public string Reading() => Text($"{From(10, 999)}.{Below(10)} units");

    /// <summary>A sentence that carries no fact.</summary>
    public string Filler() => Sentence($"{Of(LedgerWords.FillerSubjects)} {Of(LedgerWords.FillerVerbs)} {Of(LedgerWords.FillerClauses)}.");

    /// <summary>The text with a capital letter in front.</summary>
    public static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private char Letter() => Letters[Below(Letters.Length)];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
