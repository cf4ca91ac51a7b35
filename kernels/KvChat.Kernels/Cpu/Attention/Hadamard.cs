using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// A fixed random rotation: signs, then a Hadamard transform, block by block where a vector's length is no power of two (80 is 64 and 16). What it
/// turns looks like draws from one normal distribution, whatever single coordinates were like (TurboQuant, arXiv 2504.19874).
/// </summary>
/// <remarks>Every number comes from additions and subtractions in a fixed pattern, lane by lane, so that all processors give the same bits.</remarks>
internal static unsafe class Hadamard
{
    private const int Longest = 4096;

    private static readonly float[] Signs = MakeSigns();

    /// <summary>Sign that the rotation gives a coordinate, 1 or -1.</summary>
    public static float Sign(int index) => Signs[index];

    /// <summary>Turns a vector; its length is a multiple of 8.</summary>
    public static void Rotate(float* x, int length)
    {
        Sign(x, length);
        Blocks(x, length);
    }

    /// <summary>Turns it back.</summary>
    public static void Undo(float* x, int length)
    {
        Blocks(x, length);
        Sign(x, length);
    }

    private static void Blocks(float* x, int length)
    {
        while (length > 0)
        {
            int block = 1 << (31 - int.LeadingZeroCount(length));
            Transform(x, block);
            x += block;
            length -= block;
        }
    }

    private static void Sign(float* x, int length)
    {
        fixed (float* signs = Signs)
        {
            for (int i = 0; i < length; i += Vector256<float>.Count)
                (Vector256.Load(x + i) * Vector256.Load(signs + i)).Store(x + i);
        }
    }

    private static void Transform(float* x, int length)
    {
        for (int i = 0; i < length; i += 4)
        {
            float a = x[i] + x[i + 1], b = x[i] - x[i + 1], c = x[i + 2] + x[i + 3], d = x[i + 2] - x[i + 3];
            (x[i], x[i + 1], x[i + 2], x[i + 3]) = (a + c, b + d, a - c, b - d);
        }

        for (int half = 4; half < length; half *= 2)
        {
            for (int start = 0; start < length; start += 2 * half)
            {
                for (int i = start; i < start + half; i += 4)
                {
                    Vector128<float> a = Vector128.Load(x + i), b = Vector128.Load(x + i + half);
                    (a + b).Store(x + i);
                    (a - b).Store(x + i + half);
                }
            }
        }

        Vector256<float> norm = Vector256.Create(1f / MathF.Sqrt(length));
        for (int i = 0; i < length; i += Vector256<float>.Count)
            (Vector256.Load(x + i) * norm).Store(x + i);
    }

    // A linear congruential generator, so that files and other back ends can make the same signs.
    private static float[] MakeSigns()
    {
        float[] signs = new float[Longest];
        uint state = 20250428;
        for (int i = 0; i < Longest; i++)
        {
            state = (state * 1664525) + 1013904223;
            signs[i] = (state >> 31) == 0 ? 1 : -1;
        }

        return signs;
    }
}
