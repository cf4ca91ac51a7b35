namespace KvChat.Kernels.Cuda;

/// <summary>Who multiplies many rows (prompts, large batches) with weights of F16 and BF16. Few rows and all other formats are multiplied by own kernels.</summary>
/// <remarks>
/// cuBLAS picks its kernels by the shape of a product, so that the bits of a row depend on how many others are multiplied with it, and rows are rounded to the format of the weights, as PyTorch does; own
/// kernels give a row the same bits in any company, and keep rows to 22 bits.
/// </remarks>
public enum CudaProductSource
{
    /// <summary>Own kernels.</summary>
    Own,

    /// <summary>cuBLAS where it is found, else own kernels.</summary>
    Auto,

    /// <summary>cuBLAS; an error where it is not found.</summary>
    Cublas,
}
