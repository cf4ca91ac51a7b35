using System.Globalization;
using System.Text;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.HuggingFace;
using KvChat.Runtime.Models.Safetensors;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Models.Safetensors;

/// <summary>Mutated weights and configurations, the same in every run: each is read or refused with <see cref="ModelFileException"/>.</summary>
public sealed class HuggingFaceFuzzTests
{
    private const int Files = 30_000;

    private static readonly string[] Values =
    [
        "0", "-1", "1", "2", "1e30", "1e400", "2147483648", "9223372036854775808", "0.5", "null", "true", "\"\"", "\"linear\"", "\"yarn\"", "\"longrope\"", "\"llama3\"", "[]", "{}",
        "[1]", "[[[[[[[[[[1]]]]]]]]]]", "\"\\ud800\"", "NaN", "\"gemma2\"", "\"gemma3\"", "\"qwen3_moe\"", "\"sliding_attention\"",
    ];

    [Fact]
    public void Mutated_weights_open_or_are_refused()
    {
        byte[] seed = SafetensorsImage.Write(
        [
            new("model.embed_tokens.weight", "F32", [4, 8], new byte[128]), new("model.norm.weight", "BF16", [8], new byte[16]), new("lm_head.weight", "F16", [4, 8], new byte[64]),
        ]);
        int opened = 0;
        for (int number = 0; number < Files; number++)
            opened += Open(Mutate(new Random(number), seed), number) ? 1 : 0;
        Assert.InRange(opened, Files / 100, Files * 9 / 10);
    }

    [Fact]
    public void Mutated_configurations_are_read_or_refused()
    {
        using SafetensorsWeights weights = SafetensorsWeights.Open(SafetensorsImage.Write([new("model.embed_tokens.weight", "F32", [4, 8], new byte[128])]));
        int read = 0;
        for (int number = 0; number < Files; number++)
        {
            byte[] json = Encoding.UTF8.GetBytes(MutateJson(new Random(number), Configuration));
            try
            {
                Assert.NotEmpty(HuggingFaceConfiguration.Read(json, weights).Configuration.PerLayer);
                read++;
            }
            catch (ModelFileException error) when (error.Field.Length > 0)
            {
            }
            catch (Exception error)
            {
                Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"File {number}: {Encoding.UTF8.GetString(json)}: {error}"));
            }
        }

        Assert.InRange(read, Files / 100, Files * 9 / 10);
    }

    private const string Configuration =
        """
        {"model_type":"llama","hidden_size":8,"intermediate_size":16,"num_hidden_layers":2,"num_attention_heads":1,"num_key_value_heads":1,"head_dim":8,
        "max_position_embeddings":64,"rms_norm_eps":1e-5,"vocab_size":4,"tie_word_embeddings":true,"sliding_window":16,"use_sliding_window":false,
        "layer_types":["full_attention","sliding_attention"],"no_rope_layers":[1,0],"num_experts":4,"num_experts_per_tok":2,"moe_intermediate_size":8,"mlp_only_layers":[0],
        "rope_parameters":{"rope_type":"default","rope_theta":10000.0,"factor":2,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":32,
        "short_factor":[1,1,1,1],"long_factor":[1,2,3,4]},"text_config":{"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1},"hidden_act":"silu"}
        """;

    private static bool Open(byte[] bytes, int number)
    {
        try
        {
            using SafetensorsWeights weights = SafetensorsWeights.Open(bytes);
            Touch(weights);
            return true;
        }
        catch (ModelFileException error) when (error.Field.Length > 0)
        {
            return false;
        }
        catch (Exception error)
        {
            Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"File {number}: {error}"));
            return false;
        }
    }

    /// <summary>Reads every number of the tensors that can be asked for; one outside of the buffer would end the process or be seen by its guard.</summary>
    private static void Touch(SafetensorsWeights weights)
    {
        foreach (string name in weights.Names)
        {
            try
            {
                _ = weights.Vector(name, 8);
            }
            catch (ModelFileException)
            {
            }
        }
    }

    private static byte[] Mutate(Random random, byte[] seed)
    {
        int headerLength = (int)BitConverter.ToUInt64(seed);
        switch (random.Next(5))
        {
            case 0:
                return seed[..random.Next(seed.Length)];
            case 1:
                byte[] flipped = [.. seed];
                flipped[random.Next(seed.Length)] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 2:
                byte[] length = [.. seed];
                BitConverter.TryWriteBytes(length, random.Next(2) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(2 * headerLength));
                return length;
            default:
                return SafetensorsImage.Raw(MutateJson(random, Encoding.UTF8.GetString(seed, 8, headerLength)), seed.AsSpan(8 + headerLength));
        }
    }

    /// <summary>Puts another value, or nothing, in place of a number, string, list or object.</summary>
    private static string MutateJson(Random random, string json)
    {
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            int at = json.IndexOf(':', random.Next(json.Length));
            if (at < 0)
                continue;
            int end = json.AsSpan(at + 1).IndexOfAny(",}]") is >= 0 and int found ? at + 1 + found : json.Length;
            json = string.Concat(json.AsSpan(0, at + 1), Values[random.Next(Values.Length)], json.AsSpan(end));
        }

        return json;
    }
}
