using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>A linear operation with everything that goes into it in host memory, to be run on any back end.</summary>
public sealed class LinearCase
{
    public required RandomWeights[] Parts { get; init; }

    public required float[][] Input { get; init; }

    public float[]? Norm { get; init; }

    public float[]? Bias { get; init; }

    public LinearEpilogue Epilogue { get; init; }

    public float Scale { get; init; }

    /// <summary>What the output holds before, for the residual.</summary>
    public float Before { get; init; } = 0.25f;

    public int Columns => Parts[0].Columns;

    public int Outputs => Parts.Sum(part => part.Rows) / (Epilogue is LinearEpilogue.GatedSilu or LinearEpilogue.GatedGelu ? 2 : 1);

    public static float[][] RandomInput(int rows, int columns, int seed)
    {
        Random random = new(seed);
        float[][] input = new float[rows][];
        for (int i = 0; i < rows; i++)
        {
            input[i] = [.. Enumerable.Range(0, columns).Select(_ => (float)((random.NextDouble() - 0.5) * 4))];
        }

        return input;
    }

    public static float[] RandomVector(int length, int seed) => RandomInput(1, length, seed)[0];

    /// <summary>Runs, at most <paramref name="rowsAtOnce"/> rows in one operation.</summary>
    public float[][] Run(IComputeBackend backend, int rowsAtOnce = int.MaxValue)
    {
        using DeviceMatrix matrix = backend.LoadMatrix([.. Parts.Select(part => part.Data)]);
        using DeviceVector? norm = Norm is null ? null : backend.CreateVector(Norm);
        using DeviceVector? bias = Bias is null ? null : backend.CreateVector(Bias);
        int rows = Math.Min(rowsAtOnce, Input.Length);
        using DeviceTensor input = backend.CreateTensor(rows, Columns);
        using DeviceTensor output = backend.CreateTensor(rows, Outputs);
        float[][] results = new float[Input.Length][];
        for (int done = 0; done < Input.Length; done += rows)
        {
            int count = Math.Min(rows, Input.Length - done);
            for (int i = 0; i < count; i++)
            {
                backend.Write(input, i, Input[done + i]);
                backend.Write(output, i, Enumerable.Repeat(Before, Outputs).ToArray());
            }

            backend.Linear(new LinearOperation
            {
                Input = input, Rows = count, Weight = matrix, Output = output, Norm = norm, NormEpsilon = 1e-5f, Bias = bias, Epilogue = Epilogue, Scale = Scale,
            });
            for (int i = 0; i < count; i++)
            {
                results[done + i] = new float[Outputs];
                backend.Read(output, i, results[done + i]);
            }
        }

        return results;
    }

    /// <summary>The same in fp64 from the meaning of the weights, with a bound of the error of 8-bit activations per output.</summary>
    public (double[] Values, double[] Bounds) Reference(int row, bool int8)
    {
        double[] x = Normalized(row);
        double[] sums = new double[Parts.Sum(part => part.Rows)];
        double[] bounds = new double[sums.Length];
        int output = 0;
        foreach (RandomWeights part in Parts)
        {
            for (int r = 0; r < part.Rows; r++, output++)
            {
                for (int k = 0; k < Columns; k++)
                {
                    double w = part.Values[(r * Columns) + k];
                    sums[output] += w * x[k];
                    bounds[output] += Math.Abs(w * x[k]) * 2e-6;
                    if (int8 && part.Format is not (WeightFormat.F32 or WeightFormat.F16 or WeightFormat.BF16))
                        bounds[output] += Math.Abs(w) * BlockMaximum(x, k) / 254 * 1.001;
                }

                sums[output] += Bias?[output] ?? 0;
            }
        }

        return Finish(sums, bounds);
    }

    private (double[] Values, double[] Bounds) Finish(double[] sums, double[] bounds)
    {
        double scale = Scale == 0 ? 1 : Scale;
        int half = sums.Length / 2;
        return Epilogue switch
        {
            LinearEpilogue.Store => ([.. sums.Select(sum => scale * sum)], [.. bounds.Select(bound => (Math.Abs(scale) * bound) + 1e-6)]),
            LinearEpilogue.Add => ([.. sums.Select(sum => Before + (scale * sum))], [.. bounds.Select(bound => (Math.Abs(scale) * bound) + 1e-6)]),
            _ => ([.. Enumerable.Range(0, half).Select(i => Activation(sums[i]) * sums[half + i])],

                // Both activations have slopes under 1.2.
                [.. Enumerable.Range(0, half).Select(i => (1.2 * bounds[i] * (Math.Abs(sums[half + i]) + bounds[half + i])) + (Math.Abs(Activation(sums[i])) * bounds[half + i]) + 1e-5)]),
        };
    }

    private double Activation(double x) => Epilogue == LinearEpilogue.GatedSilu
        ? x / (1 + Math.Exp(-x))
        : 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    private double[] Normalized(int row)
    {
        double[] x = [.. Input[row].Select(value => (double)value)];
        if (Norm is null)
            return x;
        double factor = 1 / Math.Sqrt(x.Average(value => value * value) + 1e-5);
        return [.. x.Select((value, k) => value * factor * Norm[k])];
    }

    private static double BlockMaximum(double[] x, int k)
    {
        int start = k / 32 * 32;
        return x.Skip(start).Take(32).Max(Math.Abs);
    }
}
