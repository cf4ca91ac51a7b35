using KvChat.Kernels.Cpu;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>What the engine makes of constraints and of the wish for log probabilities.</summary>
public sealed class ConstraintTests : IDisposable
{
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public ConstraintTests() => _model = RandomModel.Create(_backend);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData(4_000_000, false)]
    [InlineData(220_000, true)]
    public void Constrained_answers_keep_their_form_also_when_requests_are_preempted(long bytes, bool preempts)
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = bytes, StepTokens = 64 });
        List<Session> sessions = [.. Enumerable.Range(0, 16).Select(i => scheduler.Add(new GenerationRequest
        {
            Prompt = Enumerable.Range(i, 20 + (i * 13 % 150)).Select(t => 2 + (t % 50)).ToArray(),
            MaxOutputTokens = 40,
            Sampling = new SamplingOptions { Temperature = 1, Seed = i, RepetitionPenalty = 1.2f },
            Constraint = most => new Counting(first: 2 + i, most),
        }))];
        scheduler.RunAll();
        for (int i = 0; i < sessions.Count; i++)
        {
            Assert.Equal(Enumerable.Range(2 + i, 30), sessions[i].Answer());
            Assert.Equal(GenerationEnd.Stop, sessions[i].Result().End);
        }

        Assert.Equal(preempts, scheduler.Statistics(false).Preemptions > 0);
    }

    [Fact]
    public void The_constraint_learns_how_long_the_answer_may_be_and_its_refusal_reaches_the_caller()
    {
        using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = 4_000_000 });
        int told = 0;
        var request = new GenerationRequest { Prompt = new[] { 3, 4 }, MaxOutputTokens = 17, Constraint = most => throw new ArgumentException($"{told = most}") };
        Assert.Equal("17", Assert.Throws<ArgumentException>(() => engine.Submit(request)).Message);
        Assert.Equal(17, told);
        Assert.Equal(0, engine.GetStatistics().Waiting);
    }

    [Fact]
    public void A_constraint_that_fails_ends_its_own_request_with_its_reason()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        Session bad = scheduler.Add(new GenerationRequest { Prompt = new[] { 3, 4 }, MaxOutputTokens = 5, Constraint = _ => new Failing() });
        Session good = scheduler.Add(new GenerationRequest { Prompt = new[] { 3, 4 }, MaxOutputTokens = 5 });
        scheduler.RunAll();
        Exception error = Assert.IsType<GenerationFailedException>(bad.Handle.Completion.Exception!.InnerException);
        Assert.Contains("nothing is allowed", error.Message, StringComparison.Ordinal);
        Assert.Equal(5, good.Answer().Length);
    }

    [Fact]
    public void A_complete_answer_without_an_end_token_ends()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        Session session = scheduler.Add(new GenerationRequest { Prompt = new[] { 3, 4 }, MaxOutputTokens = 5, Constraint = _ => new Complete() });
        scheduler.RunAll();
        Assert.Equal((GenerationEnd.Stop, 0), (session.Result().End, session.Result().OutputTokens));
    }

    [Fact]
    public void Log_probabilities_are_the_models_own_whatever_the_sampler_does()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        var request = new GenerationRequest { Prompt = Enumerable.Range(5, 9).ToArray(), MaxOutputTokens = 6, TopLogProbabilities = 4 };
        Session greedy = scheduler.Add(request);
        Session forced = scheduler.Add(request with { Constraint = most => new Counting(3, most), Sampling = new SamplingOptions { Temperature = 2, Seed = 1, RepetitionPenalty = 2 } });
        scheduler.RunAll();
        for (int i = 0; i < 6; i++)
        {
            TokenLogProbabilities of = greedy.Handle.LogProbabilitiesOf(i)!;
            Assert.Equal(greedy.Answer()[i], of.Drawn.Token);
            Assert.Equal(of.Drawn, of.Top[0]);
            Assert.Equal(of.Top.OrderByDescending(t => t.LogProbability), of.Top);
            Assert.True(of.Top.Sum(t => Math.Exp(t.LogProbability)) is > 0 and <= 1.0001);
        }

        Assert.Equal(greedy.Handle.LogProbabilitiesOf(0)!.Top, forced.Handle.LogProbabilitiesOf(0)!.Top);
        Assert.Equal(3, forced.Handle.LogProbabilitiesOf(0)!.Drawn.Token);
        Assert.Null(greedy.Handle.LogProbabilitiesOf(6));
        Session silent = scheduler.Add(request with { TopLogProbabilities = null });
        scheduler.RunAll();
        Assert.Equal(greedy.Answer(), silent.Answer());
        Assert.Null(silent.Handle.LogProbabilitiesOf(0));
    }

    /// <summary>Thirty tokens, each the one after the last.</summary>
    private sealed class Counting(int first, int most) : ITokenConstraint
    {
        private int _count;

        public bool MustStop => _count == Math.Min(30, most);

        public bool Apply(Span<float> logits)
        {
            float kept = logits[first + _count];
            logits.Fill(float.NegativeInfinity);
            logits[first + _count] = kept;
            return true;
        }

        public void Accept(int token) => Assert.Equal(first + _count++, token);
    }

    private sealed class Failing : ITokenConstraint
    {
        public bool MustStop => false;

        public bool Apply(Span<float> logits) => throw new InvalidOperationException("nothing is allowed");

        public void Accept(int token) => throw new NotSupportedException();
    }

    private sealed class Complete : ITokenConstraint
    {
        public bool MustStop => false;

        public bool Apply(Span<float> logits) => false;

        public void Accept(int token) => throw new NotSupportedException();
    }
}
