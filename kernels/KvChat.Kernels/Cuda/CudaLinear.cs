using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cuda;

/// <summary>Embeddings, norms and linear layers on the device.</summary>
internal sealed class CudaLinear(CudaQueue queue) : IDisposable
{
    private const int Threads = 128, GridLimit = 65535;

    private static readonly Dictionary<WeightFormat, string> Embedding = ProductForms.Names("kv_embed_");

    private readonly CudaProducts _multiply = new(queue);
    private readonly CudaScratch _products = new(queue), _tokens = new(queue);

    /// <summary>Rows times weights.</summary>
    public CudaProducts Products => _multiply;

    /// <summary>Rows of an embedding table.</summary>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public void Embed(CudaMatrix table, ReadOnlySpan<int> tokens, CudaTensor output, float scale)
    {
        if (output.Columns != table.Columns || output.Rows < tokens.Length)
            throw new ArgumentException($"{tokens.Length} rows of {table.Columns} numbers do not fit into a tensor of {output.Rows} x {output.Columns}.", nameof(output));
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)table.Rows)
                throw new ArgumentException($"Token {token} is no row of a table of {table.Rows}.", nameof(tokens));
        }

        if (tokens.IsEmpty)
            return;
        EmbedArguments arguments = new() { Tokens = _tokens.Ensure(tokens.Length * (long)sizeof(int)), Output = output.Address, Count = tokens.Length, Columns = table.Columns, Scale = scale };
        queue.Upload(arguments.Tokens, MemoryMarshal.AsBytes(tokens));
        foreach (CudaMatrix.Part part in table.Parts)
        {
            arguments.Weights = part.Address;
            arguments.RowBytes = part.RowBytes;
            arguments.Rows = part.Rows;
            queue.Launch(Embedding[part.Format], new(tokens.Length), Threads, 0, arguments);
            arguments.FirstRow += part.Rows;
        }
    }

    /// <summary>A linear layer.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Linear(in LinearOperation operation)
    {
        CudaMatrix weight = CudaMatrix.From(operation.Weight, nameof(operation.Weight));
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        LinearRunner.Check(operation);
        nint norm = AddressOf(operation.Norm, weight.Columns, nameof(operation.Norm)), bias = AddressOf(operation.Bias, weight.Rows, nameof(operation.Bias));
        if (operation.Rows == 0)
            return;
        bool gated = operation.Epilogue is LinearEpilogue.GatedSilu or LinearEpilogue.GatedGelu;
        ProductArguments arguments = new()
        {
            Bias = bias,
            Output = gated ? _products.Ensure((long)operation.Rows * weight.Rows * sizeof(float)) : output.Address,
            Rows = operation.Rows,
            Columns = weight.Columns,
            OutputStride = weight.Rows,
            Adds = operation.Epilogue == LinearEpilogue.Add ? 1 : 0,
            Scale = gated || operation.Scale == 0 ? 1 : operation.Scale,
            Cap = operation.SoftCap,
        };
        nint products = arguments.Output;
        _multiply.Run(weight, new(input.Address, norm, operation.NormEpsilon) { Tensor = input }, arguments);
        if (gated)
            Gate(operation.Rows, operation.Epilogue, products, output);
    }

    /// <summary>Adds a normalised tensor to another.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void AddNormed(in NormOperation operation)
    {
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        if (operation.Rows < 0 || operation.Rows > input.Rows || operation.Rows > output.Rows)
            throw new ArgumentException($"Rows is {operation.Rows}; the input has {input.Rows} and the output {output.Rows}.", nameof(operation));
        if (input.Columns != output.Columns || ReferenceEquals(input, output))
            throw new ArgumentException($"An input of {input.Columns} columns cannot be added to an output of {output.Columns}; they are two tensors of equal width.", nameof(operation));
        nint norm = AddressOf(operation.Norm, input.Columns, nameof(operation.Norm));
        if (operation.Rows == 0)
            return;
        NormArguments arguments = new()
        {
            Input = input.Address,
            Weights = norm,
            Output = output.Address,
            Rows = operation.Rows,
            Columns = input.Columns,
            Adds = 1,
            Epsilon = operation.NormEpsilon,
            Scale = operation.Scale == 0 ? 1 : operation.Scale,
        };
        queue.Launch("kv_norm", new(operation.Rows), 32, 0, arguments);
    }

    /// <summary>Joins products of gate and up, <c>[rows, 2 * columns]</c>, in a tensor.</summary>
    public void Gate(int rows, LinearEpilogue activation, nint products, CudaTensor output)
    {
        GateArguments arguments = new() { Columns = output.Columns, Gelu = activation == LinearEpilogue.GatedGelu ? 1 : 0 };
        for (int first = 0; first < rows; first += arguments.Rows)
        {
            arguments.Rows = Math.Min(rows - first, GridLimit);
            arguments.Products = products + (nint)(2L * first * output.Columns * sizeof(float));
            arguments.Output = output.Address + (nint)((long)first * output.Columns * sizeof(float));
            queue.Launch("kv_gate", new((output.Columns + Threads - 1) / Threads, arguments.Rows), Threads, 0, arguments);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _multiply.Dispose();
        _products.Dispose();
        _tokens.Dispose();
    }

    /// <summary>Device address of a vector that must have a length; 0 for none.</summary>
    /// <exception cref="ArgumentException">It has another length.</exception>
    public static nint AddressOf(DeviceVector? vector, int length, string name)
    {
        if (vector is null)
            return 0;
        CudaVector found = CudaVector.From(vector, name);
        return found.Length == length ? found.Address : throw new ArgumentException($"{name} has {found.Length} numbers, not {length}.", name);
    }
}
