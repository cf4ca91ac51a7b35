using KvChat.Kernels;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Transformer;

/// <summary>Uploads the weights of layers, from tensors of their own or from rows of fused ones.</summary>
/// <param name="configuration">Shape.</param>
/// <param name="names">What the file calls its tensors.</param>
/// <param name="source">The file.</param>
/// <param name="backend">Where to.</param>
/// <param name="owned">Receives everything that was made, for the model to dispose.</param>
/// <param name="pairedHeadDim">See <see cref="MatrixData.PairedHeadDim"/>.</param>
internal sealed class LayerLoader(
    TransformerConfiguration configuration, TensorNames names, IWeightSource source, IComputeBackend backend, List<IDisposable> owned, int pairedHeadDim)
{
    /// <summary>Bytes of the matrices so far.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Loads a layer.</summary>
    public TransformerLayer Load(int layer)
    {
        TransformerConfiguration c = configuration;
        bool before = c.Norms != NormPlacement.After, after = c.Norms != NormPlacement.Before, experts = c.PerLayer[layer].HasExperts;
        int queries = c.QueryHeads * c.HeadDim, keys = c.KvHeads * c.HeadDim;
        string Name(string? pattern) => TensorNames.Of(Known(pattern), layer);
        DeviceVector? WidthNorm(bool has, string? pattern) => has ? Norm(Name(pattern), c.Width) : null;
        Stack attention = StackOf(layer, names.QueryKeyValue,
            new(names.Query, queries, pairedHeadDim), new(names.Key, keys, pairedHeadDim), new(names.Value, keys, 0));
        return new TransformerLayer
        {
            AttentionNorm = WidthNorm(before, names.AttentionNorm),
            QueryKeyValue = Matrix(attention.Weights),
            QueryKeyValueBias = attention.Bias,
            QueryNorm = HeadNorm(Name(names.QueryNorm), c.QueryHeads),
            KeyNorm = HeadNorm(Name(names.KeyNorm), c.KvHeads),
            AttentionOutput = Matrix(source.Matrix(Name(names.AttentionOutput) + ".weight", c.Width, queries)),
            AttentionOutputBias = Vector(Biases(Name(names.AttentionOutput), c.Width)),
            PostAttentionNorm = WidthNorm(after, names.PostAttentionNorm),
            FeedForwardNorm = WidthNorm(before, names.FeedForwardNorm),
            Dense = experts ? null : LoadDense(layer),
            Experts = experts ? LoadExperts(layer, c.Experts!) : null,
            PostFeedForwardNorm = WidthNorm(after, names.PostFeedForwardNorm),
        };
    }

    /// <summary>Uploads a matrix.</summary>
    public DeviceMatrix Matrix(params ReadOnlySpan<MatrixData> parts)
    {
        DeviceMatrix matrix = Own(backend.LoadMatrix(parts));
        WeightBytes += matrix.Bytes;
        return matrix;
    }

    /// <summary>Uploads the weights of a norm.</summary>
    public DeviceVector Norm(string name, int length)
    {
        float[] weights = source.Vector(name, length);
        for (int i = 0; i < weights.Length && configuration.NormOffset != 0; i++)
            weights[i] += configuration.NormOffset;
        return Own(backend.CreateVector(weights));
    }

    private static string Known(string? pattern) => pattern ?? throw new ArgumentException("The names lack one that the configuration asks for.", nameof(pattern));

    private DeviceVector? HeadNorm(string name, int heads) => configuration.QueryKeyNorm switch
    {
        QueryKeyNorm.PerHead => Norm(name, configuration.HeadDim),
        QueryKeyNorm.FullWidth => Norm(name, configuration.HeadDim * heads),
        _ => null,
    };

    private FeedForwardWeights LoadDense(int layer)
    {
        TransformerConfiguration c = configuration;
        Stack gateUp = StackOf(layer, names.GateUp, new(names.Gate, c.HiddenWidth, 0), new(names.Up, c.HiddenWidth, 0));
        string down = TensorNames.Of(names.Down, layer);
        return new FeedForwardWeights
        {
            GateUp = Matrix(gateUp.Weights),
            GateUpBias = gateUp.Bias,
            Down = Matrix(source.Matrix(down + ".weight", c.Width, c.HiddenWidth)),
            DownBias = Vector(Biases(down, c.Width)),
        };
    }

    private ExpertWeights LoadExperts(int layer, ExpertConfiguration experts)
    {
        int width = configuration.Width, count = experts.Count;
        var gateUp = new DeviceMatrix[count];
        var down = new DeviceMatrix[count];
        for (int i = 0; i < count; i++)
        {
            gateUp[i] = Matrix(Expert(names.ExpertGate, layer, i, experts.Width, width), Expert(names.ExpertUp, layer, i, experts.Width, width));
            down[i] = Matrix(Expert(names.ExpertDown, layer, i, width, experts.Width));
        }

        return new ExpertWeights { Router = Matrix(source.Matrix(TensorNames.Of(Known(names.Router), layer) + ".weight", count, width)), GateUp = gateUp, Down = down };
    }

    private MatrixData Expert(string? pattern, int layer, int expert, int rows, int columns)
    {
        string name = TensorNames.Of(Known(pattern), layer, expert) + ".weight";
        return pattern!.Contains("{1}", StringComparison.Ordinal)
            ? source.Matrix(name, rows, columns)
            : source.Rows(name, checked(configuration.Experts!.Count * rows), columns, expert * rows, rows);
    }

    /// <summary>Projections of the same input, from tensors of their own, or, where the first has none, from rows of a fused one.</summary>
    private Stack StackOf(int layer, string? fused, params ReadOnlySpan<Part> parts)
    {
        var weights = new MatrixData[parts.Length];
        var biases = new List<float>();
        string whole = fused is null ? "" : TensorNames.Of(fused, layer);
        bool isFused = fused is not null && !source.Has(TensorNames.Of(parts[0].Pattern, layer) + ".weight") && source.Has(whole + ".weight");
        int total = 0, first = 0;
        foreach (Part part in parts)
            total += part.Rows;
        float[]? fusedBias = isFused ? Biases(whole, total) : null;
        bool any = fusedBias is not null;
        for (int i = 0; i < parts.Length; i++)
        {
            (string pattern, int rows, int paired) = parts[i];
            string name = TensorNames.Of(pattern, layer);
            weights[i] = isFused
                ? source.Rows(whole + ".weight", total, configuration.Width, first, rows, paired)
                : source.Matrix(name + ".weight", rows, configuration.Width, paired);
            float[]? own = isFused ? fusedBias?[first..(first + rows)] : Biases(name, rows);
            any |= own is not null;
            for (int row = 0; row < rows; row++)
                biases.Add(own is null ? 0 : own[weights[i].SourceRow(row)]);
            first += rows;
        }

        return new Stack(weights, any ? Vector([.. biases]) : null);
    }

    private float[]? Biases(string name, int length) => source.Has(name + ".bias") ? source.Vector(name + ".bias", length) : null;

    private DeviceVector? Vector(float[]? values) => values is null ? null : Own(backend.CreateVector(values));

    private T Own<T>(T item)
        where T : IDisposable
    {
        owned.Add(item);
        return item;
    }

    /// <summary>One projection of a stack.</summary>
    private readonly record struct Part(string Pattern, int Rows, int PairedHeadDim);

    /// <summary>Projections of the same input, with their biases behind each other; parts without one count as zeros.</summary>
    private readonly record struct Stack(MatrixData[] Weights, DeviceVector? Bias);
}
