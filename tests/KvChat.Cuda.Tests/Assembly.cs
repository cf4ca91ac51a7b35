// The fake driver is one device for the whole process, and its settings hold for all of it.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
