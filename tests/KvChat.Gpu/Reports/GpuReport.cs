using System.Diagnostics;
using System.Reflection;
using System.Text;
using System.Text.Json;

namespace KvChat.Gpu;

/// <summary>What a run says: cases as they pass or fail, tables, and in the end the counts; the same as JSON.</summary>
internal sealed class GpuReport(string part, GpuSettings settings, TextWriter output)
{
    private readonly List<(string Name, string? Error)> _cases = [];
    private readonly List<GpuTable> _tables = [];
    private readonly GpuTable _aims = new($"Aims{settings.Note}", "what", "aim", "measured", "holds");
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>Name of the device, once it is known.</summary>
    public string Device { get; set; } = "";

    /// <summary>Cases that failed so far.</summary>
    public int Failures => _cases.Count(c => c.Error is not null);

    /// <summary>Whether nothing new may be begun.</summary>
    public bool IsLate => _clock.Elapsed >= settings.MostTime;

    /// <summary>How long what has begun may still take.</summary>
    public TimeSpan Remaining => IsLate ? TimeSpan.Zero : settings.MostTime - _clock.Elapsed;

    /// <summary>Says that something passed.</summary>
    public void Passed(string name)
    {
        _cases.Add((name, null));
        output.WriteLine($"passed  {name}");
    }

    /// <summary>Says that something failed, and why.</summary>
    public void Failed(string name, Exception error) =>
        Failed(name, error is Xunit.Sdk.XunitException ? error.Message : $"{error.GetType().Name}: {error.Message}{(error is Kernels.Cuda.CudaException ? "" : Environment.NewLine + error.StackTrace)}");

    /// <summary>Says that something failed, and why.</summary>
    public void Failed(string name, string error)
    {
        _cases.Add((name, error));
        output.WriteLine($"failed  {name}: {error.ReplaceLineEndings("\n        ")}");
    }

    /// <summary>Says something.</summary>
    public void Say(string line) => output.WriteLine(line);

    /// <summary>Prints a table and keeps it for the JSON file.</summary>
    public void Show(GpuTable table)
    {
        _tables.Add(table);
        output.WriteLine();
        table.Write(output);
    }

    /// <summary>Notes what was aimed at and what was measured; a missed aim is said, but is no failure.</summary>
    /// <param name="what">What was measured.</param>
    /// <param name="measured">The figure.</param>
    /// <param name="aim">What it should reach.</param>
    /// <param name="isCeiling">Whether it should stay below the aim instead.</param>
    public void Aim(string what, double measured, double aim, bool isCeiling = false) =>
        _aims.Add(what, $"{(isCeiling ? "at most" : "at least")} {aim:0.##}", measured, settings.IsFake ? "" : (isCeiling ? measured <= aim : measured >= aim) ? "yes" : "no");

    /// <summary>Shows the aims, where there are any.</summary>
    public void ShowAims()
    {
        if (_aims.Rows.Count > 0)
            Show(_aims);
    }

    /// <summary>Runs a case: it passes unless it throws. Past the time limit it fails without being run.</summary>
    public bool Try(string name, Action run)
    {
        if (IsLate)
        {
            Failed(name, $"not run within {settings.MostTime.TotalMinutes:0.##} minutes");
            return false;
        }

        try
        {
            run();
            Passed(name);
            return true;
        }
        catch (Exception error)
        {
            // A case may fail in any way; the others are run all the same.
            Failed(name, error);
            return false;
        }
    }

    /// <summary>Writes the JSON file and the counts; gives back the program's exit code.</summary>
    public int Finish()
    {
        if (settings.Json is { } path)
            File.WriteAllBytes(path, ToJson());
        output.WriteLine();
        foreach ((string name, string? error) in _cases.Where(c => c.Error is not null))
            output.WriteLine($"failed: {name}");
        if (_cases.Count == 0)
            output.WriteLine($"Nothing has \"{settings.Only}\" in its name.");
        output.WriteLine($"{_cases.Count - Failures} passed, {Failures} failed");
        return Failures > 0 || _cases.Count == 0 ? 1 : 0;
    }

    private byte[] ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("part", part);
            json.WriteString("driver", settings.IsFake ? "fake" : "real");
            json.WriteString("device", Device);
            json.WriteString("machine", Environment.MachineName);
            json.WriteString("date", DateTime.UtcNow.ToString("yyyy-MM-dd HH:mm"));
            json.WriteString("commit", Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion);
            json.WriteNumber("seconds", Math.Round(_clock.Elapsed.TotalSeconds, 1));
            json.WriteNumber("passed", _cases.Count - Failures);
            json.WriteNumber("failed", Failures);
            json.WriteStartArray("cases");
            foreach ((string name, string? error) in _cases)
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteString("error", error);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("tables");
            foreach (GpuTable table in _tables)
                table.Write(json);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return [.. stream.ToArray(), .. Encoding.UTF8.GetBytes("\n")];
    }
}
