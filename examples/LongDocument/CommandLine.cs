using System.CommandLine;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Models;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.Options;
using Spectre.Console;

namespace LongDocument;

/// <summary>What the program can be asked for.</summary>
internal static class CommandLine
{
    public static RootCommand Create()
    {
        var model = new Option<string>("--model") { DefaultValueFactory = _ => "embedded", Description = "a GGUF file, hf:owner/name[:file or quantisation] or ollama:name[:tag]; left out: the small model that travels with the library" };
        var questions = new Option<FileInfo?>("--questions") { Description = "documents with questions as JSON lines: id, document, qa with question, answer, value" };
        var document = new Option<FileInfo?>("--document") { Description = "a text of yours, for --ask or --chat" };
        var ask = new Option<string?>("--ask") { Description = "a question about --document" };
        var chat = new Option<bool>("--chat") { Description = "talk to --document, or to the first document that is shipped" };
        var cache = new Option<int?>("--cache-mb") { Description = "KV budget of all sessions together, in MB of 1,000,000 bytes; left out: what two of the longest documents take uncompressed" };
        var compression = new Option<int[]>("--compression") { AllowMultipleArgumentsPerToken = true, Description = "how many times smaller the cache shall be, such as 1 4 8; 1 is off" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 24, Description = "most sessions to open, each with a document of its own" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var backend = new Option<BackendKind>("--backend") { DefaultValueFactory = _ => BackendKind.Auto, Description = "where to compute: auto (a CUDA device where there is one), cpu, cuda" };
        var device = new Option<int>("--cuda-device") { DefaultValueFactory = _ => 0, Description = "number of the CUDA device" };
        var products = new Option<CudaProductSource>("--cuda-products") { DefaultValueFactory = _ => CudaProductSource.Own, Description = "who multiplies many rows by weights of 16 bits on CUDA: own (the library's kernels), auto (cuBLAS where it is found), cublas" };
        var picture = new Option<FileInfo>("--picture") { DefaultValueFactory = _ => new FileInfo(Path.Combine("artifacts", "long-document.svg")), Description = "where the picture goes" };
        MustExist(questions);
        MustExist(document);
        compression.Validators.Add(r => Check(r.GetValueOrDefault<int[]>() ?? [], 1, 64, "--compression", r.AddError));
        sessions.Validators.Add(r => Check([r.GetValueOrDefault<int>()], 1, 256, "--sessions", r.AddError));
        cache.Validators.Add(r => Check([r.GetValueOrDefault<int?>() ?? 1], 1, 1 << 20, "--cache-mb", r.AddError));
        threads.Validators.Add(r => Check([r.GetValueOrDefault<int>()], 0, 1024, "--threads", r.AddError));
        var root = new RootCommand("Many sessions over long documents, in one KV budget, with the cache compressed and not.")
        {
            model, questions, document, ask, chat, cache, compression, sessions, threads, backend, device, products, picture,
        };
        root.Validators.Add(r =>
        {
            if (r.GetValue(ask) is not null && r.GetValue(document) is null)
                r.AddError("--ask needs a --document to ask about.");
            if (r.GetValue(document) is not null && r.GetValue(ask) is null && !r.GetValue(chat))
                r.AddError("--document needs --ask TEXT or --chat.");
        });
        root.SetAction((parsed, token) => RunAsync(
            new Settings
            {
                Model = parsed.GetValue(model)!,
                Questions = parsed.GetValue(questions)?.FullName,
                Document = parsed.GetValue(document)?.FullName,
                Ask = parsed.GetValue(ask),
                Chat = parsed.GetValue(chat),
                CacheBytes = parsed.GetValue(cache) * 1_000_000L,
                Compression = parsed.GetValue(compression) is { Length: > 0 } times ? times : null,
                Sessions = parsed.GetValue(sessions),
                Threads = parsed.GetValue(threads),
                Backend = parsed.GetValue(backend),
                CudaDevice = parsed.GetValue(device),
                CudaProducts = parsed.GetValue(products),
                Picture = parsed.GetValue(picture)!.FullName,
            },
            token));
        return root;
    }

    private static async Task<int> RunAsync(Settings settings, CancellationToken cancellationToken)
    {
        try
        {
            await DownloadLine.FetchAsync(settings.Model, cancellationToken);
            if (settings.Ask is { } question)
                await Talk.AskAsync(settings, question, cancellationToken);
            else if (settings.Chat)
                await Talk.ChatAsync(settings, cancellationToken);
            else
                await MainJob.RunAsync(settings, cancellationToken);
            return 0;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 130;
        }
        catch (Exception error) when (error is ModelFileException or ModelNotFoundException or ModelDownloadException or KvCapacityException or FormatException or IOException or ArgumentException or CudaException or CudaOutOfMemoryException or OptionsValidationException)
        {
            AnsiConsole.WriteLine(error.Message);
            return 2;
        }
    }

    private static void MustExist(Option<FileInfo?> option) => option.Validators.Add(r =>
    {
        if (r.GetValueOrDefault<FileInfo?>() is { Exists: false } file)
            r.AddError($"{option.Name}: there is no file {file.FullName}.");
    });

    private static void Check(int[] values, int least, int most, string option, Action<string> addError)
    {
        foreach (int value in values)
        {
            if (value < least || value > most)
                addError($"{option} is {value}; it must be from {least} to {most}.");
        }
    }
}
