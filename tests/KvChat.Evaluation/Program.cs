using System.CommandLine;
using KvChat.Evaluation.Golden;
using KvChat.Evaluation.Questions;

var root = new RootCommand("Measures a model of yours: against reference answers, and by questions about long documents.");
root.Subcommands.Add(GoldenCommand.Create());
root.Subcommands.Add(QuestionsCommand.Create());
return root.Parse(args).Invoke();
