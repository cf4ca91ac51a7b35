using KvChat.Models;

namespace KvChat.Tests.Models;

public sealed class GgufGroupTests
{
    private static readonly string[] Paths =
    [
        "README.md", "config.json", "m-IQ4_XS.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-UD-Q4_K_XL.gguf", "mmproj-m-F16.gguf", "imatrix_m.gguf", "m.imatrix.gguf",
        "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf", "Q2_K/m-Q2_K-00001-of-00003.gguf", "Q2_K/m-Q2_K-00003-of-00003.gguf", "other/m-Q4_K_S.gguf",
    ];

    [Theory]
    [InlineData("Q4_K_M", "m-Q4_K_M.gguf")]
    [InlineData("q4_k_m", "m-Q4_K_M.gguf")]
    [InlineData("iq4_xs", "m-IQ4_XS.gguf")]
    [InlineData("UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf")]
    [InlineData("Q4_K_XL", "m-UD-Q4_K_XL.gguf")]
    [InlineData("bf16", "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf")]
    [InlineData("BF16/m-BF16-00002-of-00002.gguf", "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf")]
    [InlineData("m-BF16.gguf", "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf")]
    [InlineData("m-Q4_K_S.gguf", "m-Q4_K_S.gguf")]
    [InlineData("other/m-Q4_K_S.gguf", "other/m-Q4_K_S.gguf")]
    [InlineData("mmproj-m-F16.gguf", "mmproj-m-F16.gguf")]
    public void A_choice_names_one_model(string choice, params string[] files) => Assert.Equal(files, GgufGroup.Choose("m", "it", Paths, choice).Files);

    [Theory]
    [InlineData("Q4_K")]
    [InlineData("Q4")]
    [InlineData("F16")] // only the projector has it
    [InlineData("M-Q4_K_M.gguf")] // names of files are exact
    public void Part_of_a_name_is_none(string choice)
    {
        var error = Assert.Throws<ModelNotFoundException>(() => GgufGroup.Choose("m", "it", Paths, choice));
        Assert.Contains("m-Q4_K_M.gguf", error.Available);
        Assert.DoesNotContain("mmproj-m-F16.gguf", error.Available);
    }

    [Fact]
    public void Several_that_fit_are_listed() =>
        Assert.Equal(["m-Q4_K_S.gguf", "other/m-Q4_K_S.gguf"], Assert.Throws<ModelNotFoundException>(() => GgufGroup.Choose("m", "it", Paths, "Q4_K_S")).Available);

    [Fact]
    public void A_missing_part_is_told() =>
        Assert.Contains("holds 2 of the 3 parts", Assert.Throws<ModelNotFoundException>(() => GgufGroup.Choose("m", "it", Paths, "Q2_K")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_only_model_needs_no_choice() =>
        Assert.Equal(["a.gguf"], GgufGroup.Choose("m", "it", ["a.gguf", "mmproj.gguf", "a.safetensors"], null).Files);

    [Fact]
    public void A_place_without_models_shows_what_it_holds() =>
        Assert.Equal(["a.safetensors"], Assert.Throws<ModelNotFoundException>(() => GgufGroup.Choose("m", "it", ["a.safetensors"], "Q8_0")).Available);
}
