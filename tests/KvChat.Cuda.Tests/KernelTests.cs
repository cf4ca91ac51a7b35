using System.Runtime.CompilerServices;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Cuda.Tests;

/// <summary>The PTX that is embedded against its binding.</summary>
public sealed class KernelTests
{
    [EmulatorFact]
    public void Every_kernel_compiles_and_tells_its_registers()
    {
        using CudaBackend backend = FakeDriver.Open();
        foreach (string name in CudaKernels.Names)
            Assert.InRange(backend.Queue.Resources(name).Registers, 1, 255);
    }

    [Theory]
    [InlineData("kv_append", typeof(AppendArguments))]
    [InlineData("kv_attend_plain", typeof(AttendArguments))]
    [InlineData("kv_linear_F16", typeof(LinearArguments))]
    [InlineData("kv_multiply_8_Q4_K", typeof(ProductArguments))]
    [InlineData("kv_multiply_32_Q4_K", typeof(ProductArguments))]
    [InlineData("kv_multiply_many_Q4_K", typeof(ProductArguments))]
    [InlineData("kv_multiply_expert_Q4_K", typeof(ExpertProductArguments))]
    [InlineData("kv_choose_experts", typeof(ChooseArguments))]
    [InlineData("kv_top", typeof(TopArguments))]
    [InlineData("kv_prepare", typeof(PrepareArguments))]
    [InlineData("kv_round_F16", typeof(RoundArguments))]
    [InlineData("kv_finish", typeof(FinishArguments))]
    [InlineData("kv_gate", typeof(GateArguments))]
    [InlineData("kv_embed_Q4_K", typeof(EmbedArguments))]
    [InlineData("kv_norm", typeof(NormArguments))]
    [InlineData("kv_add_experts", typeof(ExpertArguments))]
    [InlineData("kv_pool_scores", typeof(ScoreArguments))]
    [InlineData("kv_gather", typeof(KvListArguments))]
    [InlineData("kv_scatter", typeof(KvListArguments))]
    [InlineData("kv_stage", typeof(KvListArguments))]
    [InlineData("kv_unstage", typeof(KvListArguments))]
    [InlineData("kv_read_field", typeof(FieldArguments))]
    [InlineData("kv_write_field", typeof(FieldArguments))]
    [InlineData("kv_read_numbers", typeof(NumberArguments))]
    [InlineData("kv_select_prepare", typeof(SelectionArguments))]
    [InlineData("kv_select_level", typeof(SelectionArguments))]
    [InlineData("kv_select_finish", typeof(SelectionArguments))]
    [InlineData("kv_select_drop", typeof(SelectionArguments))]
    [InlineData("kv_copy_pages", typeof(CopyPagesArguments))]
    [InlineData("kv_mark_scores", typeof(EvictionArguments))]
    [InlineData("kv_count_kept", typeof(EvictionArguments))]
    [InlineData("kv_list_moves", typeof(EvictionArguments))]
    [InlineData("kv_ring_fill", typeof(RingArguments))]
    [InlineData("kv_ring_plan", typeof(RingArguments))]
    [InlineData("kv_ring_take", typeof(RingArguments))]
    [InlineData("kv_ring_release", typeof(RingArguments))]
    [InlineData("kv_random_F16", typeof(RandomArguments))]
    [InlineData("kv_random_Q4_K", typeof(RandomArguments))]
    public void Arguments_have_the_size_that_the_kernel_takes(string kernel, Type arguments)
    {
        PtxFile file = PtxFile.ReadAll().Single(f => f.Entries.ContainsKey(kernel));
        int size = (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(arguments).Invoke(null, null)!;
        Assert.Equal(file.Entries[kernel], size);
    }
}
