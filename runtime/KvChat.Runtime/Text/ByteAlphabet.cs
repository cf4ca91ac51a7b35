using System.Text;

namespace KvChat.Runtime.Text;

/// <summary>
/// The 256 characters by which byte-level BPE writes bytes in its vocabulary (GPT-2, Radford et al. 2019): bytes that Latin-1 prints stand for
/// themselves, the others follow from U+0100 on, in order.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Make();
    private static readonly short[] Bytes = Invert();

    /// <summary>The character for a byte.</summary>
    public static char CharacterOf(byte value) => Characters[value];

    /// <summary>What a vocabulary text stands for; a text with a character outside the alphabet stands for its own UTF-8.</summary>
    public static byte[] Decode(string text)
    {
        var bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] >= Bytes.Length || Bytes[text[i]] < 0)
                return Encoding.UTF8.GetBytes(text);
            bytes[i] = (byte)Bytes[text[i]];
        }

        return bytes;
    }

    private static char[] Make()
    {
        var characters = new char[256];
        char next = '\u0100';
        for (int b = 0; b < 256; b++)
            characters[b] = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : next++;
        return characters;
    }

    private static short[] Invert()
    {
        var bytes = new short[Characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++)
            bytes[Characters[b]] = (short)b;
        return bytes;
    }
}
