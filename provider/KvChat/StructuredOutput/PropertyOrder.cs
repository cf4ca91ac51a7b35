namespace KvChat.StructuredOutput;

/// <summary>In which order the properties of an object are written.</summary>
internal enum PropertyOrder
{
    /// <summary>As the schema mentions them, and those that it does not name at the end: what is to be thought about first can be put first.</summary>
    Schema,

    /// <summary>Any. Every JSON text of a valid value is accepted then, but for its white space.</summary>
    Any,
}
