// Tensors are counted for the whole process, and the fake driver is one device for all of it: no test may use either while another does.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
