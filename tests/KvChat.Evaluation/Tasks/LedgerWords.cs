namespace KvChat.Evaluation.Tasks;

/// <summary>The words of the ledgers that the embedded model was trained on; they mirror <c>examples/models/training/corpus.py</c>, and a model learns no others.</summary>
internal static class LedgerWords
{
    public static readonly string[] Onsets =
    [
        "b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr", "qu", "r", "s", "sh", "sk", "st",
        "t", "th", "tr", "v", "w", "y", "z",
    ];

    public static readonly string[] Nuclei =
    [
        "a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "oa", "ou",
    ];

    public static readonly string[] Codas =
    [
        "n", "r", "l", "s", "m", "t", "d", "k", "nd", "rn", "ld", "st", "ss", "th", "x", "ck", "v",
    ];

    public static readonly string[] SiteKinds =
    [
        "depot", "harbour", "quarry", "warehouse", "station", "terminal", "vault", "mill", "observatory", "clinic",
    ];

    public static readonly string[] GivenNames =
    [
        "Mara", "Jonas", "Ines", "Tobias", "Leila", "Anton", "Greta", "Samir", "Nadia", "Felix", "Yuki", "Oskar", "Priya", "Hugo", "Amara", "Stefan",
        "Lucia", "Emil", "Zara", "Viktor", "Hana", "Marcus", "Irina", "Pavel", "Noor", "Rafael", "Selma", "Dmitri", "Aiko", "Karim",
    ];

    public static readonly string[] Colours =
    [
        "amber", "crimson", "teal", "violet", "ivory", "scarlet", "cobalt", "olive", "silver", "copper", "indigo", "maroon",
    ];

    public static readonly string[] Months =
    [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ];

    public static readonly string[] Goods =
    [
        "copper wire", "glass tubes", "dried beans", "engine parts", "paper rolls", "steel rods", "salt bags", "wool bales", "oak boards",
        "lamp oil",
    ];

    public static readonly string[] Topics =
    [
        "tidal power", "soil salts", "signal noise", "cold storage", "bird routes", "rail wear", "cloud cover", "water loss", "bread yeast",
        "old maps",
    ];

    public static readonly string[] FillerSubjects =
    [
        "the night crew", "a visiting auditor", "the second shift", "an old clerk", "the weather office", "the cook", "a young driver",
        "the repair team", "the records room", "the town council", "a passing trader", "the guard at the gate", "the chief engineer",
        "the supply desk", "a group of students",
    ];

    public static readonly string[] FillerVerbs =
    [
        "noted that", "complained that", "was told that", "wrote down that", "did not believe that", "remembered that", "reported that",
        "joked that", "explained that", "insisted that",
    ];

    public static readonly string[] FillerClauses =
    [
        "the road was wet after the storm", "the old pump needed new seals", "lunch was late again", "the map on the wall was wrong",
        "nobody had swept the long corridor", "the radio lost its signal near the hills", "two crates had arrived without labels",
        "the clock in the hall ran slow", "the new forms were too long", "a window in the east wing was broken",
        "the river stood higher than last year", "the keys hung on the wrong hook", "the dog had slept by the stove",
        "the printer had run out of paper", "the lights on the pier went out at nine", "a letter lay unopened on the desk",
        "the ladder was left in the yard", "the paint on the fence had begun to peel", "the train came early for once",
        "the meeting would be moved to the next week",
    ];
}
