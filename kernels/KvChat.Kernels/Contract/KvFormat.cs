namespace KvChat.Kernels;

/// <summary>How the numbers of a page are stored.</summary>
public enum KvFormat
{
    /// <summary>Half precision, 2 bytes a number.</summary>
    F16,

    /// <summary>Single precision, 4 bytes a number; a page holds half as many KVs.</summary>
    F32,
}
