using System.Diagnostics.CodeAnalysis;

namespace KvChat.Kernels;

/// <summary>Makes a back end that comes with a package of its own.</summary>
public interface IComputeBackendSource
{
    /// <summary>Makes the back end.</summary>
    /// <param name="threads">Worker threads on the processor; 0 for one per processor.</param>
    /// <param name="device">Number of the CUDA device, where there is one; 0 for the first.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    /// <exception cref="NotSupportedException">What the package stands on is not here; the message says what.</exception>
    IComputeBackend Create(int threads, int device);
}

/// <summary>Says what makes the back end of an assembly, so that a <see cref="BackendKind"/> can name it where nothing here references the assembly.</summary>
/// <param name="source">An <see cref="IComputeBackendSource"/> with a constructor that takes nothing.</param>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class ComputeBackendSourceAttribute([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] Type source) : Attribute
{
    /// <summary>An <see cref="IComputeBackendSource"/>.</summary>
    [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)]
    public Type Source { get; } = source;
}
