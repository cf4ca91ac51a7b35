namespace KvChat.Benchmarks.Masks;

/// <summary>Schemas as applications have them, each with an answer.</summary>
internal static class MaskDocuments
{
    public static readonly (string Name, string Schema, string Answer)[] All =
    [
        ("contact", """
            {"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":80},"email":{"type":"string","format":"email"},
            "phone":{"type":"string","pattern":"^\\+[0-9]{1,3} [0-9 ]{4,14}$"},"newsletter":{"type":"boolean"}},"required":["name","email"],"additionalProperties":false}
            """,
            """{"name": "Ada Lovelace", "email": "ada.lovelace@analytical-engine.example.org", "phone": "+44 20 7946 0958", "newsletter": true}"""),
        ("invoice", """
            {"type":"object","properties":{"number":{"type":"string","pattern":"^INV-[0-9]{4}-[0-9]{5}$"},"date":{"type":"string","format":"date"},
            "currency":{"enum":["EUR","USD","GBP","CHF"]},"lines":{"type":"array","minItems":1,"items":{"type":"object","properties":{"text":{"type":"string"},
            "quantity":{"type":"integer","minimum":1,"maximum":10000},"price":{"type":"number","minimum":0}},"required":["text","quantity","price"],"additionalProperties":false}},
            "total":{"type":"number","minimum":0}},"required":["number","date","currency","lines","total"],"additionalProperties":false}
            """,
            """{"number": "INV-2026-00417", "date": "2026-11-23", "currency": "EUR", "lines": [{"text": "Replacement of the pump, travel included", "quantity": 1, "price": 418.5}, {"text": "Sealing rings", "quantity": 12, "price": 0.85}], "total": 428.7}"""),
        ("search", """
            {"type":"object","properties":{"query":{"type":"string"},"filters":{"type":"array","items":{"anyOf":[{"type":"object","properties":{"field":{"const":"year"},
            "from":{"type":"integer"},"to":{"type":"integer"}},"required":["field","from","to"]},{"type":"object","properties":{"field":{"const":"author"},
            "name":{"type":"string"}},"required":["field","name"]}]}},"limit":{"type":"integer","minimum":1,"maximum":100}},"required":["query","filters","limit"]}
            """,
            """{"query": "how to keep the cache of a transformer small", "filters": [{"field": "year", "from": 2023, "to": 2026}, {"field": "author", "name": "Someone Careful"}], "limit": 20}"""),
        ("tree", """
            {"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"title":{"type":"string"},"done":{"type":"boolean"},
            "children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["title","done","children"],"additionalProperties":false}}}
            """,
            """{"title": "Move house", "done": false, "children": [{"title": "Pack the books", "done": true, "children": []}, {"title": "Ask friends for help", "done": false, "children": [{"title": "Write to the neighbours", "done": true, "children": []}]}]}"""),
        ("any object", """{"type":"object"}""",
            """{"summary": "The meeting went well; all agreed to meet again.", "people": ["Ann", "Bob", "Cem"], "rating": 4.5, "details": {"room": "B 2.04", "minutes": 45, "followUp": null}}"""),
    ];
}
