Console.WriteLine("KvChat");
