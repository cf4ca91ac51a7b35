using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>A part of a linear layer: <c>LinearArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinearArguments
{
    public nint Weights;
    public nint Input;
    public nint Bias;
    public nint Output;
    public long RowBytes;
    public int Rows;
    public int Outputs;
    public int Columns;
    public int OutputStride;
    public int Adds;
    public float Scale;
    public float Cap;
    public int Padding;
}

/// <summary>A part of a linear layer on tensor cores: <c>ProductArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ProductArguments
{
    public nint Weights;
    public nint Input;
    public nint Sums;
    public nint Factors;
    public nint Bias;
    public nint Output;
    public long RowBytes;
    public int Rows;
    public int Outputs;
    public int Columns;
    public int SumsStride;
    public int OutputStride;
    public int Adds;
    public float Scale;
    public float Cap;
}

/// <summary>Rows made ready for products: <c>PrepareArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PrepareArguments
{
    public nint Input;
    public nint Weights;
    public nint Output;
    public nint Sums;
    public nint Factors;
    public int Columns;
    public int SumsStride;
    public float Epsilon;
    public int Padding;
}

/// <summary>Rows in the format of a library's products: <c>RoundArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RoundArguments
{
    public nint Input;
    public nint Weights;
    public nint Output;
    public nint Factors;
    public int Columns;
    public float Epsilon;
}

/// <summary>What a library leaves to be done: <c>FinishArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FinishArguments
{
    public nint Products;
    public nint Factors;
    public nint Bias;
    public nint Output;
    public int Outputs;
    public int OutputStride;
    public int Adds;
    public float Scale;
    public float Cap;
    public int Padding;
}

/// <summary>Products of gate and up: <c>GateArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GateArguments
{
    public nint Products;
    public nint Output;
    public int Rows;
    public int Columns;
    public int Gelu;
    public int Padding;
}

/// <summary>Rows of a part of an embedding table: <c>EmbedArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EmbedArguments
{
    public nint Weights;
    public nint Tokens;
    public nint Output;
    public long RowBytes;
    public int Count;
    public int FirstRow;
    public int Rows;
    public int Columns;
    public float Scale;
    public int Padding;
}

/// <summary>RMS norms: <c>NormArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormArguments
{
    public nint Input;
    public nint Weights;
    public nint Output;
    public int Rows;
    public int Columns;
    public int Adds;
    public float Epsilon;
    public float Scale;
    public int Padding;
}

/// <summary>Results of experts: <c>ExpertArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ExpertArguments
{
    public nint Results;
    public nint Shares;
    public nint Output;
    public int Rows;
    public int Columns;
    public int PerRow;
    public int Adds;
}

/// <summary>The largest numbers of rows: <c>TopArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TopArguments
{
    public nint Values;
    public nint Keys;
    public nint Output;
    public int Columns;
    public int Count;
}

/// <summary>Products with the weights of chosen experts: <c>ExpertProductArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ExpertProductArguments
{
    public ProductArguments Product;
    public nint Weights;
    public nint Chosen;
    public int PerRow;
    public int Padding;
}

/// <summary>The choice of experts: <c>ChooseArguments</c> of <c>linear.h</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ChooseArguments
{
    public nint Logits;
    public nint Chosen;
    public nint Shares;
    public int Rows;
    public int Experts;
    public int PerRow;
    public int Normalises;
    public float Scale;
    public int Padding;
}
