using System.CommandLine;
using KvChat.Gpu;

return GpuCommands.Root().Parse(args).Invoke();
