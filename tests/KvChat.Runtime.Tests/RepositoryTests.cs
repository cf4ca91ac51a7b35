using KvChat.TestSupport;

namespace KvChat.Runtime.Tests;

public sealed class RepositoryTests
{
    [Fact]
    public void Embedded_model_is_part_of_the_repository() => Assert.True(File.Exists(SharedFiles.EmbeddedModel));
}
