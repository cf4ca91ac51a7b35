using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>Random blocks of weights: <c>RandomArguments</c> of <c>random.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RandomArguments
{
    public nint Target;
    public ulong Seed;
    public long First;
    public long Count;
    public float Unit;
    public uint Scales;
}
