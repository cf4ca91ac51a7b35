using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Families;

/// <summary>
/// The families' forward pass as their papers and published code have it, in double precision, one number after the other: nothing is shared with the code under test, so
/// that shapes can be tried that no reference answers are there for.
/// </summary>
internal sealed class PlainTransformer(RandomFamily model, string name, FamilyShape shape)
{
    private readonly bool _isGemma = name is "gemma2" or "gemma3", _isGranite = name == "granite", _isAfter = name == "olmo2";
    private readonly bool _isPaired = name is "llama" or "llama-biases" or "mistral" or "granite" or "smollm3";

    /// <summary>Logits of every position.</summary>
    public double[][] Run(int[] ids)
    {
        double scale = _isGemma ? Math.Sqrt(shape.Width) : _isGranite ? 12 : 1, residual = _isGranite ? 0.22 : 1;
        double[][] stream = [.. ids.Select(id => Row("token_embd.weight", id, shape.Width).Select(v => v * scale).ToArray())];
        for (int layer = 0; layer < shape.Layers; layer++)
        {
            string at = $"blk.{layer}.";
            double[][] heads = Attend([.. stream.Select(x => _isAfter ? x : Norm(x, at + "attn_norm"))], layer, at);
            for (int t = 0; t < ids.Length; t++)
            {
                double[] attended = Linear(heads[t], at + "attn_output", shape.Width);
                Add(stream[t], _isGemma || _isAfter ? Norm(attended, at + "post_attention_norm") : attended, residual);
                double[] fed = FeedForward(_isAfter ? stream[t] : Norm(stream[t], at + "ffn_norm"), at);
                Add(stream[t], _isGemma || _isAfter ? Norm(fed, at + "post_ffw_norm") : fed, residual);
            }
        }

        return [.. stream.Select(x => Linear(Norm(x, "output_norm"), "token_embd", shape.Vocabulary).Select(Logit).ToArray())];
    }

    private double Logit(double value) => name == "gemma2" ? 30 * Math.Tanh(value / 30) : _isGranite ? value / 8 : value;

    private double[][] Attend(double[][] inputs, int layer, string at)
    {
        int dim = shape.HeadDim, group = shape.Heads / shape.KvHeads, queries = shape.Heads * dim, keys = shape.KvHeads * dim;
        bool isLocal = name == "mistral" || (name == "gemma2" && layer % 2 == 0) || (name == "gemma3" && layer % 6 < 5);
        double scale = _isGranite ? 1.0 / dim : 1 / Math.Sqrt(dim);
        var q = new double[inputs.Length][];
        var k = new double[inputs.Length][];
        var v = new double[inputs.Length][];
        var output = new double[inputs.Length][];
        for (int t = 0; t < inputs.Length; t++)
        {
            (q[t], k[t], v[t]) = (Project(inputs[t], at, "attn_q", 0, queries), Project(inputs[t], at, "attn_k", queries, keys), Project(inputs[t], at, "attn_v", queries + keys, keys));
            Prepare(q[t], at + "attn_q_norm", layer, isLocal, t, inputs.Length);
            Prepare(k[t], at + "attn_k_norm", layer, isLocal, t, inputs.Length);
            output[t] = new double[queries];
            int first = isLocal ? Math.Max(0, t - shape.Window + 1) : 0;
            for (int head = 0; head < shape.Heads; head++)
            {
                int own = head * dim, shared = head / group * dim;
                double[] scores = [.. Enumerable.Range(first, t - first + 1).Select(s => Score(q[t].AsSpan(own, dim), k[s].AsSpan(shared, dim), scale))];
                double max = scores.Max(), sum = scores.Sum(s => Math.Exp(s - max));
                for (int s = first; s <= t; s++)
                {
                    for (int i = 0; i < dim; i++)
                        output[t][own + i] += Math.Exp(scores[s - first] - max) / sum * v[s][shared + i];
                }
            }
        }

        return output;
    }

    private double Score(ReadOnlySpan<double> query, ReadOnlySpan<double> key, double scale)
    {
        double sum = 0;
        for (int i = 0; i < query.Length; i++)
            sum += query[i] * key[i];
        return name == "gemma2" ? 50 * Math.Tanh(sum * scale / 50) : sum * scale;
    }

    /// <summary>Rows of a projection; Phi has all three in one matrix.</summary>
    private double[] Project(double[] x, string at, string which, int first, int rows) =>
        name.StartsWith("phi3", StringComparison.Ordinal) ? Linear(x, at + "attn_qkv", rows, first) : Linear(x, at + which, rows);

    /// <summary>Norm of the heads, and rotation by the position.</summary>
    private void Prepare(double[] heads, string norm, int layer, bool isLocal, int position, int length)
    {
        int dim = shape.HeadDim;
        if (_isAfter)
            Norm(heads, norm).CopyTo(heads, 0);
        for (int at = 0; at < heads.Length; at += dim)
        {
            if (name is "qwen3" or "qwen3moe" or "gemma3")
                Norm(heads[at..(at + dim)], norm).CopyTo(heads, at);
            if (name != "smollm3" || (layer + 1) % 4 != 0)
                Rotate(heads.AsSpan(at, dim), isLocal, position, length);
        }
    }

    private void Rotate(Span<double> head, bool isLocal, int position, int length)
    {
        int half = head.Length / 2;
        double theta = name == "gemma3" && !isLocal ? 1_000_000 : 10_000, magnitude = name == "phi3-longrope" ? (float)1.1 : 1;
        for (int i = 0; i < half; i++)
        {
            double divisor = name != "phi3-longrope" ? 1 : model.Values[length > shape.Context / 4 ? "rope_factors_long.weight" : "rope_factors_short.weight"][i];
            double angle = position / (Math.Pow(theta, 2.0 * i / head.Length) * divisor), cos = Math.Cos(angle) * magnitude, sin = Math.Sin(angle) * magnitude;
            (int a, int b) = _isPaired ? (2 * i, (2 * i) + 1) : (i, i + half);
            (head[a], head[b]) = ((head[a] * cos) - (head[b] * sin), (head[a] * sin) + (head[b] * cos));
        }
    }

    private double[] FeedForward(double[] x, string at)
    {
        if (name != "qwen3moe")
        {
            bool isFused = name.StartsWith("phi3", StringComparison.Ordinal);
            return Linear(Gated(Linear(x, at + (isFused ? "ffn_up" : "ffn_gate"), shape.Hidden), Linear(x, at + "ffn_up", shape.Hidden, isFused ? shape.Hidden : 0)), at + "ffn_down", shape.Width);
        }

        double[] router = Linear(x, at + "ffn_gate_inp", shape.Experts);
        int[] chosen = [.. Enumerable.Range(0, shape.Experts).OrderByDescending(e => router[e]).Take(shape.ExpertsPerToken)];
        double sum = chosen.Sum(e => Math.Exp(router[e])); // the softmax over all, made to sum to one over the chosen
        var output = new double[shape.Width];
        int width = shape.Hidden / shape.ExpertsPerToken;
        foreach (int e in chosen)
        {
            double[] hidden = Gated(Linear(x, at + "ffn_gate_exps", width, e * width), Linear(x, at + "ffn_up_exps", width, e * width));
            Add(output, Linear(hidden, at + "ffn_down_exps", shape.Width, e * shape.Width), Math.Exp(router[e]) / sum);
        }

        return output;
    }

    private double[] Gated(double[] gate, double[] up) => [.. gate.Zip(up, (g, u) => Activated(g) * u)];

    private double Activated(double g) => _isGemma ? 0.5 * g * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (g + (0.044715 * g * g * g)))) : g / (1 + Math.Exp(-g));

    private double[] Linear(double[] x, string name, int rows, int first = 0)
    {
        float[] weights = model.Values[name + ".weight"];
        float[]? bias = model.Values.GetValueOrDefault(name + ".bias");
        var y = new double[rows];
        for (int row = 0; row < rows; row++)
        {
            double sum = bias?[row] ?? 0;
            for (int i = 0; i < x.Length; i++)
                sum += weights[((first + row) * x.Length) + i] * x[i];
            y[row] = sum;
        }

        return y;
    }

    private double[] Norm(double[] x, string name)
    {
        float[] weights = model.Values[name + ".weight"];
        double root = Math.Sqrt((x.Sum(v => v * v) / x.Length) + (float)1e-6);
        return [.. x.Select((v, i) => v / root * weights[i])];
    }

    private double[] Row(string name, int row, int columns) => [.. model.Values[name].AsSpan(row * columns, columns).ToArray().Select(v => (double)v)];

    private static void Add(double[] to, double[] what, double scale)
    {
        for (int i = 0; i < to.Length; i++)
            to[i] += what[i] * scale;
    }
}
