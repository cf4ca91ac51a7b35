using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>Whole pages from one place to another: <c>CopyPagesArguments</c> of <c>page_copy.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CopyPagesArguments
{
    public nint Sources;
    public nint Targets;
    public nint SourceIds;
    public nint TargetIds;
    public long PageBytes;
}
