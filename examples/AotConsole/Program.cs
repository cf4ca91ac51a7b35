return await AotConsole.Chat.RunAsync(args, Console.In, Console.Out, Console.Error);
