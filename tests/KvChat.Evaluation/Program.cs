using System.CommandLine;
using KvChat.Evaluation.Golden;
using KvChat.Evaluation.Grid;
using KvChat.Evaluation.Questions;
using KvChat.Evaluation.Schemas;
using KvChat.Evaluation.Tables;
using KvChat.Evaluation.Tools;

var root = new RootCommand("Measures a model of yours: against reference answers, by questions about long documents, by calls of tools, and by what its constraints cost.");
root.Subcommands.Add(GoldenCommand.Create());
root.Subcommands.Add(QuestionsCommand.Create());
root.Subcommands.Add(JsonSchemaCommand.Create());
root.Subcommands.Add(GridCommand.Create());
root.Subcommands.Add(TablesCommand.Create());
root.Subcommands.Add(ToolsCommand.Create());
return root.Parse(args).Invoke();
