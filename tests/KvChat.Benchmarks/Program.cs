using System.CommandLine;
using BenchmarkDotNet.Running;
using KvChat.Benchmarks.Compression;
using KvChat.Benchmarks.Families;
using KvChat.Benchmarks.Masks;
using KvChat.Benchmarks.Model;
using KvChat.Benchmarks.Roof;

if (args is ["model" or "roof" or "masks" or "families" or "compression-cost" or "--help" or "-h" or "-?", ..])
{
    var root = new RootCommand(
        "Measures models and the machine. Anything else than the commands below goes to BenchmarkDotNet: for example `-- --filter '*Decode*'` or `-- --list flat`.");
    root.Subcommands.Add(ModelCommand.Create());
    root.Subcommands.Add(RoofCommand.Create());
    root.Subcommands.Add(MaskCommand.Create());
    root.Subcommands.Add(FamiliesCommand.Create());
    root.Subcommands.Add(CompressionCostCommand.Create());
    return root.Parse(args).Invoke();
}

BenchmarkSwitcher.FromAssembly(typeof(ModelCommand).Assembly).Run(args);
return 0;
