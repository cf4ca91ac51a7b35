using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using KvChat.TestSupport;

namespace KvChat.Tests.Packages;

public sealed class PackageTests(PackedPackages packages) : IClassFixture<PackedPackages>
{
    public static TheoryData<string> Names => ["KvChat", "KvChat.Runtime", "KvChat.Kernels"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_package_has_readme_licence_documentation_symbols_and_repository(string name)
    {
        using ZipArchive package = ZipFile.OpenRead(packages.PathOf(name, "nupkg"));
        string[] files = [.. package.Entries.Select(e => e.FullName)];
        Assert.Contains("README.md", files);
        Assert.Contains("LICENSE", files);
        Assert.Contains($"lib/net10.0/{name}.dll", files);
        Assert.Contains($"lib/net10.0/{name}.xml", files);
        using ZipArchive symbols = ZipFile.OpenRead(packages.PathOf(name, "snupkg"));
        Assert.Contains($"lib/net10.0/{name}.pdb", symbols.Entries.Select(e => e.FullName));

        XElement about = XDocument.Load(package.GetEntry($"{name}.nuspec")!.Open()).Root!.Elements().Single(e => e.Name.LocalName == "metadata");
        Assert.Equal("MIT", Value("license"));
        Assert.Equal("README.md", Value("readme"));
        Assert.False(string.IsNullOrWhiteSpace(Value("description")));
        Assert.False(string.IsNullOrWhiteSpace(Value("authors")));
        if (Path.Exists(Path.Combine(SharedFiles.Repository, ".git")))
        {
            XElement repository = about.Elements().Single(e => e.Name.LocalName == "repository");
            Assert.Equal("git", repository.Attribute("type")?.Value);
            Assert.Matches("^[0-9a-f]{40}$", repository.Attribute("commit")?.Value ?? "");
        }

        string? Value(string element) => about.Elements().SingleOrDefault(e => e.Name.LocalName == element)?.Value;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_package_is_built_so_that_it_can_be_built_again(string name)
    {
        using ZipArchive package = ZipFile.OpenRead(packages.PathOf(name, "nupkg"));
        var image = new MemoryStream();
        using (Stream dll = package.GetEntry($"lib/net10.0/{name}.dll")!.Open())
            dll.CopyTo(image);
        image.Position = 0;
        using var pe = new PEReader(image);
        Assert.Contains(pe.ReadDebugDirectory(), e => e.Type == DebugDirectoryEntryType.Reproducible);
    }

    [Fact]
    public void The_embedded_model_travels_in_the_package_once()
    {
        using ZipArchive package = ZipFile.OpenRead(packages.PathOf("KvChat", "nupkg"));
        ZipArchiveEntry model = Assert.Single(package.Entries, e => e.Name.EndsWith(".gguf", StringComparison.Ordinal));
        Assert.Equal("models/kvchat-tiny-q8_0.gguf", model.FullName);
        Assert.Equal(new FileInfo(SharedFiles.EmbeddedModel).Length, model.Length);
        Assert.NotNull(package.GetEntry("buildTransitive/KvChat.targets"));
        Assert.NotNull(package.GetEntry("models/kvchat-tiny-q8_0.kvquality.json"));
    }

    [Fact]
    public void A_program_that_knows_the_packages_alone_restores_them_and_chats()
    {
        string work = Path.Combine(packages.Folder, "consumer");
        Directory.CreateDirectory(work);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(SharedFiles.Repository, "tests", "KvChat.PackageConsumer"), "*.cs*"))
            File.Copy(file, Path.Combine(work, Path.GetFileName(file)));
        File.Copy(Path.Combine(SharedFiles.Repository, "nuget.config"), Path.Combine(work, "nuget.config"));
        File.WriteAllText(Path.Combine(work, "Directory.Build.props"), "<Project><PropertyGroup><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup></Project>");
        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        string output = PackedPackages.Run(
            "run", "-c", "Release", "--project", work, $"-p:KvChatVersion={packages.Version}", $"-p:KvChatPackages={packages.Folder}",
            $"-p:RestorePackagesPath={Path.Combine(work, "cache")}", $"-p:RestoreFallbackFolders={cache}", "-p:NuGetAudit=false");
        Assert.EndsWith("The gate code of the Dushus mill is 1202-1238. [True]", output.Trim(), StringComparison.Ordinal);
    }
}
