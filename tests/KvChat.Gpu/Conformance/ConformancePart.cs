using KvChat.Kernels.Cuda;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Gpu.Conformance;

/// <summary>Every kernel on the device: what it needs, and whether it does what its formula says.</summary>
internal static class ConformancePart
{
    // What is launched beside products of cuBLAS alone.
    private static readonly string[] WithLibrary = ["kv_round_F16", "kv_round_BF16", "kv_finish"];

    /// <summary>Runs all cases; in the end every kernel must have been launched.</summary>
    public static void Run(GpuSettings settings, GpuReport report)
    {
        Suite.KeepComparisons();
        using TestDevice device = new(settings);
        report.Device = device.Backend.Name;
        report.Say(report.Device);
        ShowResources(device.Backend.Queue, settings, report);
        foreach ((string name, Action run) in DeviceSuites.Cases(device).Where(c => c.Name.Contains(settings.Only, StringComparison.OrdinalIgnoreCase)))
        {
            if (!report.Try(name, run))
                device.Renew();
        }

        if (settings.Only.Length > 0)
            return;
        Dictionary<string, (long Launches, int SharedBytes)> launches = device.Launches();
        if (!device.HasLibrary)
            report.Say($"cuBLAS is not here: {string.Join(", ", WithLibrary)} were not launched.");
        foreach (string kernel in CudaKernels.Names.Where(kernel => launches.GetValueOrDefault(kernel).Launches == 0 && (device.HasLibrary || !WithLibrary.Contains(kernel))))
            report.Failed($"Every kernel is launched: {kernel}", "no case launched it");
        ShowLaunches(launches, report);
    }

    // Compiling the kernels is what takes the time of the first start on a machine.
    private static void ShowResources(CudaQueue queue, GpuSettings settings, GpuReport report)
    {
        GpuTable table = new($"Kernels{settings.Note}", "kernel", "registers", "local bytes", "static shared bytes", "most threads");
        foreach (string kernel in CudaKernels.Names)
        {
            if (!kernel.Contains(settings.Only, StringComparison.OrdinalIgnoreCase) && settings.Only.Length > 0)
                continue;
            report.Try($"{kernel} loads", () =>
            {
                KernelResources needs = queue.Resources(kernel);
                table.Add(kernel, needs.Registers, needs.LocalBytes, needs.SharedBytes, needs.MostThreads);
            });
        }

        report.Show(table);
    }

    private static void ShowLaunches(Dictionary<string, (long Launches, int SharedBytes)> launches, GpuReport report)
    {
        GpuTable table = new("Launches by the cases", "kernel", "launches", "largest shared bytes");
        foreach (string kernel in CudaKernels.Names)
        {
            (long count, int shared) = launches.GetValueOrDefault(kernel);
            table.Add(kernel, count, shared);
        }

        report.Show(table);
    }
}
