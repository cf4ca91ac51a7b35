using System.Diagnostics.Metrics;

namespace KvChat.Tests.Telemetry;

/// <summary>A meter factory of its own, so that clients of other tests are not heard, and everything that its meters measure.</summary>
internal sealed class MeterReader : IMeterFactory
{
    private readonly Lock _gate = new();
    private readonly List<Meter> _meters = [];
    private readonly List<Measured> _measured = [];
    private readonly MeterListener _listener = new();

    public MeterReader()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == this)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Add(i, v, tags));
        _listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Add(i, v, tags));
        _listener.Start();
    }

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    /// <summary>What was measured since the last call, instruments that are only read when somebody asks included.</summary>
    public IReadOnlyList<Measured> Collect()
    {
        _listener.RecordObservableInstruments();
        lock (_gate)
        {
            Measured[] all = [.. _measured];
            _measured.Clear();
            return all;
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.ForEach(m => m.Dispose());
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var measured = new Measured(instrument.Name, instrument.Unit, value, tags.ToArray().ToDictionary());
        lock (_gate)
            _measured.Add(measured);
    }
}

internal sealed record Measured(string Name, string? Unit, double Value, IReadOnlyDictionary<string, object?> Tags)
{
    public bool Is(string name, string? attribute = null, string? value = null) =>
        Name == name && (attribute is null || (Tags.TryGetValue(attribute, out object? tag) && (string?)tag == value));
}
