namespace KvChat.Kernels;

/// <summary>A matrix of fp32 activations that a back end owns, <c>[rows, columns]</c>.</summary>
public abstract class DeviceTensor(int rows, int columns) : IDisposable
{
    /// <summary>Rows that fit.</summary>
    public int Rows { get; } = rows;

    /// <summary>Numbers per row.</summary>
    public int Columns { get; } = columns;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A vector of fp32 parameters that a back end owns.</summary>
public abstract class DeviceVector(int length) : IDisposable
{
    /// <summary>Numbers in it.</summary>
    public int Length { get; } = length;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Weights in the layout of a back end, <c>[rows, columns]</c>; a row makes one output.</summary>
public abstract class DeviceMatrix(int rows, int columns, IReadOnlyList<int> partRows) : IDisposable
{
    /// <summary>Outputs, all parts together.</summary>
    public int Rows { get; } = rows;

    /// <summary>Inputs.</summary>
    public int Columns { get; } = columns;

    /// <summary>Rows of each part, in the order in which they were loaded.</summary>
    public IReadOnlyList<int> PartRows { get; } = partRows;

    /// <summary>Bytes that the weights take in the back end's memory.</summary>
    public abstract long Bytes { get; }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Rotary angles of a back end.</summary>
public abstract class DeviceRotary(int dimensions) : IDisposable
{
    /// <summary>Leading coordinates of a head that are rotated; the rest passes unchanged.</summary>
    public int Dimensions { get; } = dimensions;

    /// <inheritdoc/>
    public abstract void Dispose();
}
