using KvChat.Runtime.Scheduling;

namespace KvChat.Documents;

/// <summary>Tells the caller of a document's preparation.</summary>
internal sealed class DocumentSteps(IProgress<KvDocumentProgress> progress) : IProgress<PreparationProgress>
{
    public void Report(PreparationProgress value) => progress.Report(new KvDocumentProgress(value.TokensRead, value.TotalTokens, value.KvsKept, value.KvsEvicted));
}
