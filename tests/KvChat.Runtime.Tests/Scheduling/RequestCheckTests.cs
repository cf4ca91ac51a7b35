using KvChat.Runtime.Scheduling;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>Requests are checked token by token, and the text of an error is made only where there is one.</summary>
public sealed class RequestCheckTests
{
    [Fact]
    public void Checking_a_longer_prompt_allocates_no_more()
    {
        GenerationRequest shorter = new() { Prompt = new int[1] }, longer = new() { Prompt = new int[4096] };
        AllocatedBy(shorter);
        AllocatedBy(longer);
        Assert.Equal(AllocatedBy(shorter), AllocatedBy(longer));
    }

    [Fact]
    public void A_token_that_the_vocabulary_lacks_is_named_with_its_limits()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => RequestChecks.Check(new GenerationRequest { Prompt = new[] { 3, 10 } }, 10));
        Assert.StartsWith("GenerationRequest.Prompt is 10; it must be made of token ids from 0 to 9.", error.Message, StringComparison.Ordinal);
        Assert.Equal("Prompt", error.ParamName);
    }

    private static long AllocatedBy(GenerationRequest request)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        RequestChecks.Check(request, 10);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
