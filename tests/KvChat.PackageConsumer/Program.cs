using KvChat;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

var services = new ServiceCollection();
services.AddKvCompressChatClient(o => o.CacheBytes = 16L << 20);
await using ServiceProvider provider = services.BuildServiceProvider();
var client = provider.GetRequiredService<IChatClient>();
var options = new ChatOptions().WithKvCompression(KvCompression.Off);
var response = await client.GetResponseAsync(
    "The colour of the Bifluk pump is amber. The gate code of the Dushus mill is 1202-1238. The ship Trudrov carries 145 tons of paper rolls.\n\nWhat is the gate code of the Dushus mill?", options);
Console.WriteLine($"{response.Text.Trim()} [{response.GetKvUsage()!.Seen > 0}]");
