using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models.HuggingFace;

/// <summary>Reads what each layer has of its own from <c>config.json</c>: windows, rotary positions, experts.</summary>
internal static class HuggingFaceLayers
{
    private const string Full = "full_attention", Sliding = "sliding_attention";

    private const int MaxContext = 1 << 24;

    public static LayerConfiguration[] Read(ModelFamily family, JsonFields fields, int count)
    {
        int window = Window(family, fields);
        bool[] isLocal = Local(family, fields, count, window), isRotated = Rotated(family, fields, count), hasExperts = Experts(family, fields, count);
        var layers = new LayerConfiguration[count];
        for (int i = 0; i < count; i++)
        {
            layers[i] = new LayerConfiguration
            {
                SlidingWindow = isLocal[i] ? window : 0,
                Rotary = !isRotated[i] ? null : isLocal[i] && family.LocalRotaryBase is not null ? 1 : 0,
                HasExperts = hasExperts[i],
            };
        }

        return layers;
    }

    private static int Window(ModelFamily family, JsonFields fields)
    {
        bool isOff = fields.IsNull("sliding_window") || (family.HasWindowFlag && !fields.Flag("use_sliding_window", false));
        return isOff ? 0 : fields.Int32("sliding_window", family.Window, 0, MaxContext);
    }

    private static bool[] Local(ModelFamily family, JsonFields fields, int count, int window)
    {
        var local = new bool[count];
        if (fields.Texts("layer_types") is { } listed)
        {
            CheckCount(fields, "layer_types", listed.Length, count);
            for (int i = 0; i < count; i++)
            {
                local[i] = listed[i] switch
                {
                    Full => false,
                    Sliding when window > 0 => true,
                    Sliding => throw fields.Error("layer_types", "has a layer with sliding_attention, but sliding_window says of none how far it sees."),
                    _ => throw fields.Error("layer_types", $"has '{ModelFileException.Printable(listed[i])}'; known are {Full} and {Sliding}."),
                };
            }

            return local;
        }

        // Files from before layer_types: a period, or all layers from one on.
        int period = family.Period == 0 ? 0 : fields.Int32(fields.Has("_sliding_window_pattern") ? "_sliding_window_pattern" : "sliding_window_pattern", family.Period, 1, count + family.Period);
        int first = family.HasWindowFlag ? fields.Int32("max_window_layers", 28, 0, int.MaxValue) : 0;
        for (int i = 0; i < count; i++)
            local[i] = window > 0 && i >= first && (period == 0 || (i + 1) % period != 0);
        return local;
    }

    private static bool[] Rotated(ModelFamily family, JsonFields fields, int count)
    {
        var rotated = new bool[count];
        int[]? listed = family.UnrotatedInterval > 0 ? fields.Int32s("no_rope_layers", 0, 1) : null;
        if (listed is not null)
            CheckCount(fields, "no_rope_layers", listed.Length, count);
        int interval = family.UnrotatedInterval > 0 ? fields.Int32("no_rope_layer_interval", family.UnrotatedInterval, 1, int.MaxValue) : 0;
        for (int i = 0; i < count; i++)
            rotated[i] = listed is not null ? listed[i] == 1 : interval == 0 || (i + 1) % interval != 0; // 1 says, against the field's name, that it has them
        return rotated;
    }

    private static bool[] Experts(ModelFamily family, JsonFields fields, int count)
    {
        var experts = new bool[count];
        if (!family.HasExperts)
            return experts;
        int step = fields.Int32("decoder_sparse_step", 1, 1, int.MaxValue);
        int[] dense = fields.Int32s("mlp_only_layers", 0, int.MaxValue) ?? [];
        for (int i = 0; i < count; i++)
            experts[i] = !dense.Contains(i) && (i + 1) % step == 0;
        return experts;
    }

    private static void CheckCount(JsonFields fields, string name, int entries, int layers)
    {
        if (entries != layers)
            throw fields.Error(name, $"has {entries} entries; num_hidden_layers is {layers}.");
    }
}
