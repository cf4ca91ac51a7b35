// Tensors are counted for the whole process: no test may make some while another counts.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
