using System.ComponentModel.DataAnnotations;

namespace Rag;

/// <summary>Settings of the example, from the section <c>Rag</c>.</summary>
internal sealed class RagOptions
{
    /// <summary>Folder of documents: .txt, .md, .html, .pdf. A path that is not rooted is looked for here, then beside the program.</summary>
    [Required]
    public string Folder { get; set; } = "";

    /// <summary>JSON lines of <c>question</c>, <c>answer</c> and <c>value</c>, for the comparison.</summary>
    public string Questions { get; set; } = "";

    /// <summary>One question of yours instead of the comparison.</summary>
    public string? Ask { get; set; }

    /// <summary>Which ways: <c>passages</c>, <c>resident</c>, <c>verified</c> or <c>all</c>.</summary>
    [RegularExpression("passages|resident|verified|all")]
    public string Way { get; set; } = "all";

    /// <summary>About how many words a passage has; paragraphs stay whole.</summary>
    [Range(10, 10_000)]
    public int PassageWords { get; set; } = 160;

    /// <summary>Passages that go into a prompt.</summary>
    [Range(1, 100)]
    public int Passages { get; set; } = 4;

    /// <summary>Resident documents that a question is put to, the best first, until one answers.</summary>
    [Range(1, 100)]
    public int Documents { get; set; } = 2;

    /// <summary>Users who ask at the same time.</summary>
    [Range(1, 1000)]
    public int Users { get; set; } = 12;

    /// <summary>Most questions of the comparison; 0 for all.</summary>
    [Range(0, int.MaxValue)]
    public int Limit { get; set; }

    /// <summary>Part of a resident document's KVs that is kept.</summary>
    [Range(0.01, 1)]
    public double RetainedRatio { get; set; } = 0.75;

    /// <summary>Format of a resident document's KVs.</summary>
    public KvChat.Kernels.KvFormat Format { get; set; } = KvChat.Kernels.KvFormat.K8V4;

    /// <summary>Longest answer in tokens.</summary>
    [Range(1, 4096)]
    public int MaxAnswerTokens { get; set; } = 64;

    /// <summary>A path as it is meant: of the folder that the program was started in, or of its own.</summary>
    public static string Find(string path) => Path.Exists(path) ? Path.GetFullPath(path) : Path.Combine(AppContext.BaseDirectory, path);
}
