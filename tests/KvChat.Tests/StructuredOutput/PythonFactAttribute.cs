using System.Diagnostics;

namespace KvChat.Tests.StructuredOutput;

/// <summary>A test that needs Python's <c>jsonschema</c> (Debian: python3-jsonschema), and is skipped where it is not there.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PythonFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Found = new(() => ((string[])["python3", "/usr/bin/python3"]).FirstOrDefault(HasValidator));

    public PythonFactAttribute()
    {
        if (Found.Value is null)
            Skip = "Python's jsonschema is not installed (Debian: apt-get install python3-jsonschema)";
    }

    /// <summary>The interpreter that has it.</summary>
    public static string Interpreter => Found.Value ?? throw new InvalidOperationException("No Python with jsonschema was found.");

    private static bool HasValidator(string python)
    {
        try
        {
            using Process? process = Process.Start(new ProcessStartInfo(python, ["-c", "import jsonschema"]) { RedirectStandardError = true, RedirectStandardOutput = true });
            if (process is null)
                return false;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // no such program
        }
    }
}
