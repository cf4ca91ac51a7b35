namespace KvChat.Evaluation.Tasks;

/// <summary>What a ledger can say of a kind of thing: {0} is the thing, {1} the value; the first wording is that of answers.</summary>
internal sealed record LedgerAttribute(Func<LedgerRandom, string> Value, string[] Told, string[] Asked);

/// <summary>A kind of thing: how it is named and what can be said of it.</summary>
internal sealed record LedgerKind(Func<LedgerRandom, string> Name, LedgerAttribute[] Attributes)
{
    public static readonly LedgerKind[] All =
    [
        new(r => r.Site(),
        [
            new(r => r.Code(),
                ["The gate code of {0} is {1}.", "To enter {0}, type {1} at the gate.", "At {0} the gate opens with code {1}.", "The gate of {0} wants the code {1}."],
                ["What is the gate code of {0}?", "Which code opens the gate of {0}?", "How do I enter {0}?"]),
            new(r => r.Person(),
                ["The keeper of {0} is {1}.", "{0} is looked after by {1}.", "{0} has been in the care of {1} since spring.", "At {0} the keys are with {1}."],
                ["Who is the keeper of {0}?", "Who looks after {0}?", "Tell me the keeper of {0}."]),
            new(r => r.Stock(),
                ["The stock of {0} is {1}.", "{0} holds {1}.", "At the last count {0} had {1}.", "In {0} there are {1}."],
                ["What is the stock of {0}?", "What does {0} hold?", "How much is stored in {0}?"]),
        ]),
        new(r => r.Person(),
        [
            new(r => r.Code(),
                ["The badge of {0} is {1}.", "{0} wears badge {1}.", "{0} carries the badge {1}.", "To {0} belongs badge {1}."],
                ["What is the badge of {0}?", "Which badge does {0} wear?", "Give me the badge of {0}."]),
            new(r => r.Town(),
                ["The home town of {0} is {1}.", "{0} grew up in {1}.", "{0} comes from {1}.", "{0} spent a long childhood in {1}."],
                ["What is the home town of {0}?", "Where does {0} come from?", "In which town did {0} grow up?"]),
        ]),
        new(r => $"the ship {r.Name()}",
        [
            new(r => r.Cargo(),
                ["The cargo of {0} is {1}.", "{0} carries {1}.", "On board {0} there are {1}.", "{0} was loaded with {1}."],
                ["What is the cargo of {0}?", "What does {0} carry?", "What is on board {0}?"]),
            new(r => r.Day(),
                ["The arrival of {0} is {1}.", "{0} arrives on {1}.", "{0} will reach the pier on {1}.", "{0} is due on {1}."],
                ["What is the arrival of {0}?", "When does {0} arrive?", "On which day is {0} due?"]),
            new(r => r.Person(),
                ["The captain of {0} is {1}.", "{0} is commanded by {1}.", "{0} sails under {1}.", "On {0} the captain is {1}."],
                ["Who is the captain of {0}?", "Who commands {0}?", "Under whom does {0} sail?"]),
        ]),
        new(r => $"project {r.Name()}",
        [
            new(r => r.Budget(),
                ["The budget of {0} is {1}.", "{0} may spend {1}.", "{0} was granted {1}.", "For {0} the board set aside {1}."],
                ["What is the budget of {0}?", "How much may {0} spend?", "How much was granted to {0}?"]),
            new(r => r.Topic(),
                ["The topic of {0} is {1}.", "{0} studies {1}.", "{0} is about {1}.", "In {0} the team looks at {1}."],
                ["What is the topic of {0}?", "What does {0} study?", "What is {0} about?"]),
            new(r => r.Person(),
                ["The leader of {0} is {1}.", "{0} is in the hands of {1}.", "{0} is led by {1}.", "{0} was handed to {1}."],
                ["Who is the leader of {0}?", "Who leads {0}?", "By whom is {0} led?"]),
        ]),
        new(r => r.Device(),
        [
            new(r => r.Code(),
                ["The serial number of {0} is {1}.", "{0} bears the serial number {1}.", "{0} is stamped {1}.", "On {0} the stamped number is {1}."],
                ["What is the serial number of {0}?", "Which number is stamped on {0}?", "Give me the serial number of {0}."]),
            new(r => r.Colour(),
                ["The colour of {0} is {1}.", "{0} is painted {1}.", "Someone painted {0} {1}.", "{0} shines in {1}."],
                ["What is the colour of {0}?", "How is {0} painted?", "Which colour has {0}?"]),
            new(r => r.Reading(),
                ["The reading of {0} is {1}.", "{0} shows {1}.", "This morning {0} stood at {1}.", "At noon {0} gave {1}."],
                ["What is the reading of {0}?", "What does {0} show?", "What was read from {0}?"]),
        ]),
    ];
}
