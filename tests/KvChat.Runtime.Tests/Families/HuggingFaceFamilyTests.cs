using System.Globalization;
using System.Text.Json.Nodes;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Models.HuggingFace;
using KvChat.Runtime.Models.Safetensors;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Families;

/// <summary>Folders in the Hugging Face layout as they are, against the logits that transformers computed of them.</summary>
public sealed class HuggingFaceFamilyTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvchat-");

    public static IEnumerable<object[]> Folders => FamilyGguf.Folders.Select(f => new object[] { f.Folder, f.Family });

    public void Dispose() => _folder.Delete(recursive: true);

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void Logits_and_greedy_tokens_equal_the_reference(string folder, string family)
    {
        _ = family;
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = Load(path, backend);
        GgufFamilyTests.AssertEqualsReference(model, path);
    }

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void The_same_model_as_GGUF_gives_the_same_logits(string folder, string family)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = Load(path, backend);
        using GgufFile file = GgufFile.Open(FamilyGguf.Write(path, family));
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        using var other = TransformerModel.Load(configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(family));
        int[] ids = [.. Enumerable.Range(0, 50).Select(i => 3 + (i * 37 % 500))];
        float[][] logits = WholeSequence.Logits(model, ids), same = WholeSequence.Logits(other, ids);
        for (int row = 0; row < ids.Length; row++)
        {
            for (int i = 0; i < logits[row].Length; i++)
                Assert.Equal(same[row][i], logits[row][i], GgufFamilyTests.Tolerance);
        }
    }

    [SharedFact("golden/architectures/llama/model.safetensors")]
    public void Shards_give_the_logits_of_the_whole()
    {
        string path = SharedFiles.PathOf("golden/architectures/llama");
        SafetensorsImage.Shard(Path.Combine(path, "model.safetensors"), _folder.FullName, 3);
        File.Copy(Path.Combine(path, "config.json"), Path.Combine(_folder.FullName, "config.json"));
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = Load(_folder.FullName, backend);
        GgufFamilyTests.AssertEqualsReference(model, path);
    }

    /// <summary>Names and nesting of older and of multi-modal files mean the same model.</summary>
    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [InlineData("llama-3-rope")]
    [InlineData("llama-yarn")]
    [InlineData("llama-linear-rope")]
    [InlineData("phi-3-longrope")]
    [InlineData("qwen2")]
    [InlineData("gemma-2")]
    [InlineData("gemma-3")]
    [InlineData("smollm3")]
    public void Configurations_of_older_files_mean_the_same(string folder)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using SafetensorsWeights weights = SafetensorsWeights.Open(path);
        byte[] written = File.ReadAllBytes(Path.Combine(path, "config.json"));
        TransformerConfiguration today = HuggingFaceConfiguration.Read(written, weights).Configuration;
        TransformerConfiguration before = HuggingFaceConfiguration.Read(Older(JsonNode.Parse(written)!.AsObject()), weights).Configuration;
        Assert.Equal(today.PerLayer, before.PerLayer);
        Assert.Equal(today.Rotaries.Select(RotaryText), before.Rotaries.Select(RotaryText));
        Assert.Equal(today with { PerLayer = [], Rotaries = [] }, before with { PerLayer = [], Rotaries = [] });
    }

    private static string RotaryText(RotaryConfiguration rotary)
    {
        RotaryTable near = RotaryFrequencies.Of(rotary), far = RotaryFrequencies.Of(rotary, isLong: true);
        return string.Join(' ', near.Frequencies.Concat(far.Frequencies).Append(near.Magnitude).Append(far.Magnitude).Select(v => v.ToString("r", CultureInfo.InvariantCulture)));
    }

    private static byte[] Older(JsonObject config)
    {
        JsonObject rope = config["rope_parameters"]!.DeepClone().AsObject();
        _ = config.Remove("rope_parameters");
        _ = config.Remove("layer_types");
        _ = config.Remove("no_rope_layers");
        if (rope["full_attention"] is JsonObject full)
        {
            config["rope_local_base_freq"] = rope["sliding_attention"]!["rope_theta"]!.DeepClone();
            rope = full.DeepClone().AsObject();
            config["sliding_window_pattern"] = config["_sliding_window_pattern"]!.DeepClone();
            _ = config.Remove("_sliding_window_pattern");
        }

        config["rope_theta"] = rope["rope_theta"]!.DeepClone();
        _ = rope.Remove("rope_theta");
        rope["type"] = rope["rope_type"]!.DeepClone();
        _ = rope.Remove("rope_type");
        config["rope_scaling"] = (string?)rope["type"] == "default" ? null : rope;
        return System.Text.Encoding.UTF8.GetBytes(config.ToJsonString());
    }

    private static TransformerModel Load(string path, CpuBackend backend)
    {
        using SafetensorsWeights weights = SafetensorsWeights.Open(path);
        (TransformerConfiguration configuration, TensorNames names) = HuggingFaceConfiguration.Read(path, weights);
        return TransformerModel.Load(configuration, names, weights, backend, pairedRows: false);
    }
}
