using KvChat;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Rag.Answers;
using Rag.Reading;
using Rag.Search;

namespace Rag;

/// <summary>The application: configuration, services, and what is done with them.</summary>
internal static class RagProgram
{
    private static readonly Dictionary<string, string> Switches = new()
    {
        ["--folder"] = "Rag:Folder", ["--questions"] = "Rag:Questions", ["--ask"] = "Rag:Ask", ["--way"] = "Rag:Way", ["--users"] = "Rag:Users", ["--limit"] = "Rag:Limit",
        ["--passages"] = "Rag:Passages", ["--documents"] = "Rag:Documents", ["--retained"] = "Rag:RetainedRatio", ["--format"] = "Rag:Format", ["--model"] = "KvChat:Model", ["--cache"] = "KvChat:CacheBytes",
    };

    /// <summary>Builds the host; settings come from the file beside the program, then the environment, then the command line.</summary>
    public static IHost Build(string[] args)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddJsonFile(Path.Combine(AppContext.BaseDirectory, "rag", "appsettings.json"), optional: false);
        builder.Configuration.AddEnvironmentVariables("RAG_");
        builder.Configuration.AddCommandLine(args, Switches);
        builder.Services.AddKvCompressChatClient(builder.Configuration.GetSection("KvChat"));
        builder.Services.AddOptions<RagOptions>().Bind(builder.Configuration.GetSection("Rag")).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton(static p => p.GetRequiredService<IOptions<RagOptions>>().Value);
        builder.Services.AddSingleton(static p =>
        {
            RagOptions options = p.GetRequiredService<RagOptions>();
            return new Library(DocumentFolder.Read(RagOptions.Find(options.Folder)), options.PassageWords);
        });
        builder.Services.AddSingleton<PassageAnswerer>().AddSingleton<IAnswerer>(static p => p.GetRequiredService<PassageAnswerer>());
        builder.Services.AddSingleton<ResidentAnswerer>().AddSingleton<IAnswerer>(static p => p.GetRequiredService<ResidentAnswerer>());
        builder.Services.AddSingleton<IAnswerer, VerifiedAnswerer>();
        return builder.Build();
    }

    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors)
    {
        try
        {
            using IHost host = Build(args);
            await host.StartAsync(); // the model is loaded when this returns
            await AnswerAsync(host.Services, output, host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
            await host.StopAsync();
            return 0;
        }
        catch (Exception error) when (error is InvalidDataException or FormatException or OptionsValidationException or IOException or InvalidOperationException)
        {
            await errors.WriteLineAsync(error.Message);
            return 1;
        }
    }

    private static async Task AnswerAsync(IServiceProvider services, TextWriter output, CancellationToken cancellationToken)
    {
        RagOptions options = services.GetRequiredService<RagOptions>();
        var library = services.GetRequiredService<Library>();
        IAnswerer[] ways = [.. services.GetServices<IAnswerer>().Where(a => options.Way == "all" || a.Name == options.Way)];
        await output.WriteLineAsync($"{library.Documents.Count} documents, {library.Passages.Count} passages of about {options.PassageWords} words.");
        if (options.Ask is { Length: > 0 } question)
        {
            foreach (IAnswerer way in ways)
            {
                await way.PrepareAsync(cancellationToken);
                Answer answer = await way.AskAsync(question, cancellationToken);
                await output.WriteLineAsync($"{way.Name}: {answer.Text}");
                await output.WriteLineAsync(answer.Citation is { } citation ? $"    [{citation.Passage}: \"{citation.Quote}\"]" : "    [no source]");
            }

            return;
        }

        IReadOnlyList<KnownQuestion> questions = KnownQuestion.Read(RagOptions.Find(options.Questions));
        if (options.Limit > 0)
            questions = [.. questions.Take(options.Limit)];
        await output.WriteLineAsync($"{questions.Count} questions, {options.Users} users at once, one KV budget of {services.GetRequiredService<IChatClient>().GetCacheBytes() / 1e6:0.0} MB.\n\n{Outcome.Head}");
        foreach (IAnswerer way in ways)
            await output.WriteLineAsync((await Comparison.RunAsync(way, questions, options.Users, cancellationToken)).ToString());
    }

    private static long GetCacheBytes(this IChatClient client) =>
        client.GetService(typeof(KvChat.Runtime.Scheduling.InferenceEngine)) is KvChat.Runtime.Scheduling.InferenceEngine engine ? engine.GetStatistics().CacheBytes : 0;
}
