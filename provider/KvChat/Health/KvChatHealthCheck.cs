using System.Globalization;
using KvChat.Loading;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace KvChat.Health;

/// <summary>
/// Says whether a client can answer: the registration's failure status (Unhealthy) while its model is being loaded, could not be loaded or its engine has died, Degraded while the
/// pool has been full for long. A model that nobody has asked for yet is healthy: the first request loads it.
/// </summary>
internal sealed class KvChatHealthCheck(KvCompressChatClient client, KvChatHealthCheckOptions options) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(Judge(client.Loading, client.Statistics, client.PoolWatch, options.FullPoolLimit, context.Registration.FailureStatus));

    internal static HealthCheckResult Judge(ModelLoadingProgress loading, EngineStatistics? engine, PoolWatch watch, TimeSpan limit, HealthStatus failure)
    {
        if (engine is null)
        {
            return loading.Stage switch
            {
                ModelLoadingStage.NotStarted => HealthCheckResult.Healthy($"Model {loading.Model} is loaded by the first request."),
                ModelLoadingStage.Failed => new HealthCheckResult(failure, $"Model {loading.Model} could not be loaded.", loading.Error),
                ModelLoadingStage.Ready => new HealthCheckResult(failure, "The client has been disposed."),
                _ => new HealthCheckResult(failure, Invariant($"Model {loading.Model}: {loading.Stage}, {loading.Fraction:P0}.")),
            };
        }

        TimeSpan? full = watch.FullFor(engine);
        Dictionary<string, object> data = Data(engine);
        if (engine.IsFaulted)
            return new HealthCheckResult(failure, "The engine has ended by an error; no request is served any more.", null, data);
        return full >= limit
            ? HealthCheckResult.Degraded(Invariant($"The KV cache has been full for {full.Value.TotalSeconds:0} s; {engine.Waiting} requests wait. More CacheBytes or more compression would help."), null, data)
            : HealthCheckResult.Healthy("Requests are answered.", data);
    }

    private static Dictionary<string, object> Data(EngineStatistics engine) => new()
    {
        ["pages"] = engine.TotalPages,
        ["free_pages"] = engine.FreePages,
        ["running"] = engine.Running,
        ["preempted"] = engine.Preempted,
        ["waiting"] = engine.Waiting,
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
