return await Rag.RagProgram.RunAsync(args, Console.Out, Console.Error);
