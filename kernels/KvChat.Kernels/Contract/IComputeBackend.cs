namespace KvChat.Kernels;

/// <summary>
/// The compute contract: everything that a transformer step asks of a machine. Operations run in the order of the calls; a back end may
/// run them asynchronously as long as <see cref="Read"/> and the arena's reads see their results.
/// </summary>
/// <remarks>
/// What every house of the contract keeps: the numbers of a row depend on that row and its sequence alone, never on the other rows of
/// the batch, on the number of threads, or on how a prompt was cut into chunks. Sums therefore run in an order that depends on weight
/// columns and KV slots only. Calls come from one thread at a time.
/// </remarks>
public interface IComputeBackend : IDisposable
{
    /// <summary>What runs here, for people: instruction set, threads, device.</summary>
    string Name { get; }

    /// <summary>Bytes that are free of a memory of the back end's own, such as a graphics card's; null where it works in the memory of the machine.</summary>
    long? FreeMemoryBytes => null;

    /// <summary>Most entries of a row that <see cref="FindTop"/> finds; 0 where the back end does not offer it.</summary>
    int MaxTop => 0;

    /// <summary>Makes a matrix of zeros in fp32, <c>[rows, columns]</c>, row-major.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive.</exception>
    DeviceTensor CreateTensor(int rows, int columns);

    /// <summary>Uploads a vector of fp32 parameters: norm weights, biases.</summary>
    DeviceVector CreateVector(ReadOnlySpan<float> values);

    /// <summary>
    /// Uploads weights whose rows follow each other (q, k, v; or gate, up), or makes them where they are to be generated, and repacks them into the layout that the back end wants. Parts
    /// share the number of columns and may differ in format. The source memory is not needed afterwards.
    /// </summary>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts);

    /// <summary>Makes a table of rotary angles: angle of pair i at position p is <c>p * inverseFrequencies[i]</c>, in fp32.</summary>
    /// <param name="inverseFrequencies">One per pair, in radians per position; twice as many leading coordinates of a head are rotated.</param>
    /// <param name="magnitude">What cosine and sine are multiplied with (YaRN's attention factor); 1 for most models.</param>
    DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1);

    /// <summary>Makes the one pool of pages in which all sequences keep their KVs.</summary>
    /// <exception cref="OutOfMemoryException">The pool does not fit; the message says its size.</exception>
    KvArena CreateArena(in KvArenaShape shape);

    /// <summary>Copies rows of an embedding table: <c>output[i] = scale * table[tokens[i]]</c>.</summary>
    void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1);

    /// <summary>A linear layer with optional RMS norm before it and an epilogue after it; see <see cref="LinearOperation"/>.</summary>
    void Linear(in LinearOperation operation);

    /// <summary>Adds a normalised tensor to another; see <see cref="NormOperation"/>.</summary>
    void AddNormed(in NormOperation operation);

    /// <summary>A feed-forward part with experts; see <see cref="ExpertOperation"/>.</summary>
    void Experts(in ExpertOperation operation);

    /// <summary>Rotates queries and keys in place and writes keys, values, positions and zero scores into the pages.</summary>
    void Append(in AppendOperation operation);

    /// <summary>Causal attention of the batch's rows over the pages of their sequences, with scores where the batch observes them.</summary>
    void Attend(in AttentionOperation operation);

    /// <summary>Copies the given rows of one tensor to the first rows of another of the same width.</summary>
    void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination);

    /// <summary>Copies one row to host memory.</summary>
    void Read(DeviceTensor tensor, int row, Span<float> destination);

    /// <summary>Copies one row from host memory.</summary>
    void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source);

    /// <summary>
    /// Finds the largest numbers of each of the first rows of a tensor, in descending order, of equal ones the lowest column first, so that rows need not be copied
    /// to host memory. What is no number comes first.
    /// </summary>
    /// <param name="tensor">For example logits, <c>[>= rows, vocabulary]</c>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Receives the columns, <c>[rows, count]</c>, where count is at most <see cref="MaxTop"/> and the tensor's width.</param>
    /// <param name="values">Receives the numbers, as many.</param>
    /// <exception cref="NotSupportedException"><see cref="MaxTop"/> is 0.</exception>
    /// <exception cref="ArgumentException">The spans do not fit the rows.</exception>
    void FindTop(DeviceTensor tensor, int rows, Span<int> columns, Span<float> values) => throw new NotSupportedException($"{Name} does not look for the largest numbers of rows; MaxTop is 0.");
}
