using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Requests;

/// <summary>JSON that came with a request. Whoever made it may mean harm: what cannot be read ends in an error that says where it stands.</summary>
internal static class OutsideJson
{
    /// <summary>Most levels of arrays and objects in what goes into a prompt.</summary>
    public const int Deepest = 256;

    private static readonly JsonSerializerOptions s_options = new(AIJsonUtilities.DefaultOptions) { MaxDepth = Deepest };

    /// <summary>Checks the nesting, and that every text consists of characters.</summary>
    /// <param name="json">What is checked.</param>
    /// <param name="what">Where it stands, for the error.</param>
    /// <exception cref="ArgumentException">It is nested too deep, or holds what is no text.</exception>
    public static void Check(JsonElement json, string what)
    {
        if (json.ValueKind == JsonValueKind.Undefined)
            return;
        var reader = new Utf8JsonReader(JsonMarshal.GetRawUtf8Value(json), new JsonReaderOptions { MaxDepth = Deepest, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                    _ = reader.GetString();
            }
        }
        catch (JsonException)
        {
            throw new ArgumentException($"{what}: arrays and objects are nested more than {Deepest} deep.");
        }
        catch (InvalidOperationException)
        {
            throw new ArgumentException($"{what}: what stands at byte {reader.TokenStartIndex} is no text: half of a surrogate pair, or bytes that are no UTF-8.");
        }
    }

    /// <summary>An object as JSON.</summary>
    /// <param name="value">The object.</param>
    /// <param name="type">As which it is written.</param>
    /// <param name="what">Where it stands, for the error.</param>
    /// <exception cref="ArgumentException">It refers to itself, is nested too deep, or cannot be written.</exception>
    public static JsonElement Write(object? value, Type type, string what)
    {
        JsonElement json;
        try
        {
            json = JsonSerializer.SerializeToElement(value, s_options.GetTypeInfo(type));
        }
        catch (Exception error) when (error is JsonException or NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new ArgumentException($"{what}: it cannot be written as JSON (at most {Deepest} levels, no half of a surrogate pair). {error.Message}", error);
        }

        Check(json, what);
        return json;
    }
}
