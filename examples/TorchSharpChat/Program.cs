using System.CommandLine;
using TorchSharpChat;

var model = new Option<string>("--model") { DefaultValueFactory = _ => "embedded", Description = "a GGUF file, hf:owner/name:Q4_K_M, ollama:name" };
var document = new Option<FileInfo?>("--document") { Description = "a text to ask about; left out, a made-up ledger" };
var ask = new Option<string?>("--ask") { Description = "the question" };
var ratio = new Option<double>("--retained") { DefaultValueFactory = _ => 1, Description = "share of the KVs that is kept" };
var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
var command = new RootCommand("Asks the same question on TorchSharp and on the CPU's own kernels, and times both.") { model, document, ask, ratio, threads };
command.SetAction((parsed, cancellationToken) => new Comparison(
    parsed.GetValue(model)!, parsed.GetValue(document), parsed.GetValue(ask), parsed.GetValue(ratio), parsed.GetValue(threads)).RunAsync(Console.Out, cancellationToken));
return await command.Parse(args).InvokeAsync();
