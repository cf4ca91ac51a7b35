using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Addresses of the weights of a layer's experts, where the device finds those that it has chosen: brought there once, and kept by the first expert's matrix until that goes.
/// </summary>
internal sealed class CudaExpertTable : IDisposable
{
    private readonly CudaQueue _queue;
    private readonly IReadOnlyList<DeviceMatrix> _gateUp, _down;

    private CudaExpertTable(CudaQueue queue, IReadOnlyList<DeviceMatrix> gateUp, IReadOnlyList<DeviceMatrix> down)
    {
        (_queue, _gateUp, _down) = (queue, gateUp, down);
        if (!CudaProducts.TakesExperts(gateUp) || !CudaProducts.TakesExperts(down))
            return;
        long[] addresses = [.. AddressesOf(gateUp), .. AddressesOf(down)];
        DownOffset = CudaMatrix.From(gateUp[0], nameof(gateUp)).Parts.Length * gateUp.Count * sizeof(long);
        Address = queue.Allocate(addresses.Length * (long)sizeof(long), "addresses of experts");
        queue.Upload(Address, MemoryMarshal.AsBytes(addresses));
    }

    /// <summary>Device address of the table, by part and expert: those of gate and up, then those of down; 0 where the experts are not alike, so that they cannot be taken by address.</summary>
    public nint Address { get; private set; }

    /// <summary>Bytes before the addresses of down.</summary>
    public int DownOffset { get; }

    /// <summary>The table of an operation's experts, made when they first come together.</summary>
    public static CudaExpertTable Of(CudaQueue queue, in ExpertOperation operation)
    {
        CudaMatrix owner = CudaMatrix.From(operation.GateUp[0], nameof(operation.GateUp));
        if (owner.Experts is { } known && ReferenceEquals(known._gateUp, operation.GateUp) && ReferenceEquals(known._down, operation.Down))
            return known;
        owner.Experts?.Dispose();
        return owner.Experts = new CudaExpertTable(queue, operation.GateUp, operation.Down);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != 0)
            _queue.Free(Address);
        Address = 0;
    }

    private static IEnumerable<long> AddressesOf(IReadOnlyList<DeviceMatrix> experts)
    {
        int parts = CudaMatrix.From(experts[0], nameof(experts)).Parts.Length;
        for (int part = 0; part < parts; part++)
        {
            foreach (DeviceMatrix expert in experts)
                yield return CudaMatrix.From(expert, nameof(experts)).Parts[part].Address;
        }
    }
}
