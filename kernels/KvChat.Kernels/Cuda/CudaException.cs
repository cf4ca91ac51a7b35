namespace KvChat.Kernels.Cuda;

/// <summary>The CUDA driver, or cuBLAS, refused a call, or what was launched before failed.</summary>
public class CudaException : Exception
{
    internal CudaException(string message, string call = "", int code = 0, Exception? inner = null)
        : base(message, inner)
    {
        Call = call;
        Code = code;
    }

    /// <summary>Function of the driver API, or of cuBLAS, that answered with an error; empty where none did.</summary>
    public string Call { get; }

    /// <summary>The driver's <c>CUresult</c>, or the status of cuBLAS; 0 where there was none.</summary>
    public int Code { get; }
}

/// <summary>There is no CUDA device to be used here: no driver, one that is too old, no device, or one of a capability below 8.0.</summary>
public sealed class CudaUnavailableException : CudaException
{
    internal CudaUnavailableException(string message, string call = "", int code = 0, Exception? inner = null)
        : base(message, call, code, inner)
    {
    }
}

/// <summary>The device has too little free memory.</summary>
public sealed class CudaOutOfMemoryException : OutOfMemoryException
{
    internal CudaOutOfMemoryException(string message, long askedBytes, long freeBytes)
        : base(message)
    {
        AskedBytes = askedBytes;
        FreeBytes = freeBytes;
    }

    /// <summary>Bytes that were asked for.</summary>
    public long AskedBytes { get; }

    /// <summary>Bytes of device memory that were free.</summary>
    public long FreeBytes { get; }
}
