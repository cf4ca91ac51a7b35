namespace KvChat.Tests.Client;

/// <summary>Tests that read figures of the whole process: they run when no other test does, whose memory would count.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WholeProcess : ICollectionFixture<EmbeddedClient>
{
    /// <summary>What a class of this kind names in its <c>Collection</c> attribute.</summary>
    public const string Name = "Whole process";
}
