"""Runs inside Nion Swift: a headless application that does what the tests ask for.

Started with Swift's own Python; connects to the test and answers one JSON object per line with
another. Between two requests Swift lives on its main thread as usual.
"""

# ruff: noqa: ARG001, BLE001, PLW0603 - requests have one signature; a test is told what failed

import gc
import json
import queue
import socket
import sys
import tempfile
import threading
import time
import traceback
import zlib

import numpy as np
from nion.instrumentation import HardwareSource
from nion.usim_device import ScanDevice
from nion.utils import Geometry, Registry
from witness import Witness

from nionswift_plugin.livedetect_lattice import headless

REQUESTS = {}


def request(function):
    REQUESTS[function.__name__] = function
    return function


def bridge():
    from nionswift_plugin import livedetect_bridge

    return livedetect_bridge.running


def lattice():
    from nionswift_plugin.livedetect_lattice import usim

    return usim


def scanner(name="usim_scan_device"):
    found = HardwareSource.HardwareSourceManager()
    return found.get_hardware_source_for_hardware_source_id(name)


witness = None


@request
def ping(swift):
    return sys.version


@request
def watch(swift):
    global witness
    witness = Witness(scanner())


@request
def witnessed(swift):
    return {"sums": witness.sums, "states": len(witness.states)}


@request
def overwritten(swift):
    """How many buffers of completed frames are no longer what they were."""
    now = [(key, zlib.crc32(np.ascontiguousarray(source.data))) for key, source in witness.sources]
    return {"kept": len(now), "changed": sum(witness.sums[key] != crc for key, crc in now)}


@request
def scan(swift, *, size=256, pixel_time_us=1.0, channels=(0,)):
    device = scanner()
    for index in range(device.channel_count):
        device.set_channel_enabled(index, index in channels)
    lattice().set_scan(device, 0, size, pixel_time_us)
    device.set_selected_profile_index(0)
    device.start_playing()


@request
def tell_aborts_late(swift, *, late_s=0.02):
    """Swift's word of an abort comes this much after the frame that it completes; 0: as usual."""
    event = scanner().abort_event
    event.__dict__.pop("fire", None)
    if late_s:
        fire = event.fire

        def later(*args, **named):
            time.sleep(late_s)
            fire(*args, **named)

        event.fire = later


@request
def stop(swift):
    scanner().stop_playing()


@request
def abort(swift):
    scanner().abort_playing()


@request
def scanning(swift):
    return bool(scanner().is_playing or scanner().is_recording)


@request
def record(swift, *, size=320, pixel_time_us=1.0):
    lattice().set_scan(scanner(), 2, size, pixel_time_us)
    parameters = scanner().get_frame_parameters(2)
    scanner().set_record_frame_parameters(parameters)
    if not scanner().is_recording:
        scanner().start_recording()


@request
def abort_record(swift):
    if scanner().is_recording:
        scanner().abort_recording()


@request
def subscan(swift, *, on=True):
    scanner().subscan_enabled = on
    if on:
        scanner().subscan_region = Geometry.FloatRect.from_tlhw(0.25, 0.25, 0.5, 0.5)


@request
def start(swift, **settings):
    bridge().change(**settings)
    return bridge().start()


@request
def stop_streaming(swift):
    bridge().stop()


@request
def change(swift, **settings):
    bridge().change(**settings)


@request
def arm(swift, *, armed=True):
    bridge().arm(armed=armed)


@request
def status(swift):
    told = bridge().status()
    fields = {name: getattr(told, name) for name in told.__slots__}
    return {**fields, "counts": dict(told.counts), "duty": told.duty.name}


@request
def actions(swift):
    return bridge().actions


@request
def timings(swift):
    return bridge().timings


@request
def truth(swift, *, scan=None):
    return lattice().crystal().truth(scan)


@request
def rings(swift):
    from nionswift_plugin.livedetect_bridge import markers
    from nionswift_plugin.livedetect_bridge import swift as places

    item = places.display_item("usim_scan_device", "a")
    if item is None:
        return None
    shape = item.data_item.data_shape
    found = [ring.bounds for ring in markers.ours(item)]
    others = len(item.graphics) - len(found)
    centres = [(b.center.x * shape[1] - 0.5, b.center.y * shape[0] - 0.5) for b in found]
    frame = bridge()._latest[0]["frame"] if bridge()._latest else None
    return {"centres": centres, "others": others, "frame": frame}


@request
def own_graphic(swift):
    """A graphic of the operator's, which nobody else may touch."""
    from nion.swift.model import Graphics

    from nionswift_plugin.livedetect_bridge import swift as places

    places.display_item("usim_scan_device", "a").add_graphic(Graphics.RectangleGraphic())


@request
def remove_markers(swift):
    bridge().remove_markers()


@request
def column(swift, name, value):
    scanner().stem_controller.SetVal(name, value)


@request
def blanked(swift):
    return scanner().stem_controller.TryGetVal("C_Blank")[1]


@request
def break_blanker(swift, *, broken=True):
    """The column takes the order to blank and does not follow it."""
    controller = scanner().stem_controller
    for name in ("SetValAndConfirm", "SetVal"):
        controller.__dict__.pop(name, None)
        if broken:
            setattr(controller, name, lambda *_: False)


@request
def break_tap(swift, *, broken=True):
    """Whatever the bridge does with a frame raises."""
    for tap in bridge()._taps.values():
        tap._take = (lambda _: 1 / 0) if broken else bridge()._on_frame


hanging = threading.Event()


@request
def hang_sender(swift, *, hung=True):
    """The sender's thread stands still at its next frame, until told otherwise."""
    sender = bridge()._sender
    if not hung:
        hanging.set()
        return
    hanging.clear()
    describe = sender._describe

    def wait(frame, seq):
        hanging.wait(100)
        return describe(frame, seq)

    sender._describe = wait


@request
def collect(swift):
    return gc.collect()


@request
def block(swift, seconds):
    """The main thread is busy; what did the bridge do in the meantime?"""
    before = len(bridge().actions)
    time.sleep(seconds)
    return {"done": bridge().actions[before:], "blanked": blanked(swift)}


@request
def add_scanner(swift, name):
    """A second scan device appears while Swift runs."""
    module = ScanDevice.ScanModule(scanner().stem_controller)
    module.device.scan_device_id = name
    module.device.scan_device_name = name
    module.settings.scan_device_id = name
    Registry.register_component(module, {"scan_module"})
    swift.second = module
    device = scanner(name)
    lattice().set_scan(device, 0, 128)
    device.start_playing()


@request
def remove_scanner(swift, name):
    scanner(name).abort_playing(sync_timeout=5.0)
    Registry.unregister_component(swift.second, {"scan_module"})


@request
def frame_index(swift):
    return [source.metadata["hardware_source"]["frame_index"] for _, source in witness.sources]


@request
def panel(swift):
    """The panel as Swift would make it, and its texts."""
    from nion.swift import Panel

    made = Panel.PanelManager().create_panel_content(
        swift.window, "livedetect-panel", "livedetect", ["right"], "right", None
    )
    swift.panel = made
    return type(made).__name__


@request
def press_start(swift):
    """What the panel's button does, and what the panel says."""
    from nionswift_plugin.livedetect_bridge import panel as module

    view = module.BridgeView(bridge(), swift.window.event_loop)
    view.toggle_streaming(None)
    told = [view.button_text.value, view.state_text.value, view.engine_text.value]
    view.toggle_streaming(None)
    told += [view.button_text.value, view.state_text.value]
    # keywords as Swift's widgets give them
    view.action_changed(widget=None, current_index=3)
    view.markers_changed(widget=None, checked=False)
    view.markers_changed(widget=None, checked=True)
    told.append(bridge().settings.action)
    view.action_changed(widget=None, current_index=0)
    view.armed_changed(widget=None, checked=True)
    told.append(view.alarm_text.value)
    view.toggle_streaming(None)
    view.armed_changed(widget=None, checked=True)
    told.append(view.alarm_text.value)
    view.toggle_streaming(None)
    view.close()
    return told


@request
def choose(swift, *, index):
    """What an alarm does is chosen in the panel; what Swift remembers then."""
    from nion.swift.model import ApplicationData

    from nionswift_plugin.livedetect_bridge import panel as module

    view = module.BridgeView(bridge(), swift.window.event_loop)
    view.action_changed(widget=None, current_index=index)
    view.close()
    return ApplicationData.get_data().get("livedetect-bridge", {})


@request
def show_window(swift, *, shown=True):
    """Swift's only window is no longer among those of the application, or is again."""
    windows = swift.app._BaseApplication__windows
    windows[:] = [swift.window] if shown else []


def reader(stream, waiting):
    for line in stream:
        waiting.put(json.loads(line))
    waiting.put(None)


def serve(swift, stream):
    waiting = queue.Queue()
    threading.Thread(target=reader, args=[stream, waiting], daemon=True).start()
    while True:
        swift.pump(lambda: not waiting.empty(), 3600)
        wanted = waiting.get()
        if wanted is None:
            return
        try:
            answer = {"ok": REQUESTS[wanted["do"]](swift, **wanted["args"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        stream.write(json.dumps(answer, default=float) + "\n")
        stream.flush()


def main():
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    with tempfile.TemporaryDirectory() as directory:
        swift = headless.HeadlessSwift(directory)
        try:
            serve(swift, connection.makefile("rw", encoding="utf-8"))
        finally:
            for device in HardwareSource.HardwareSourceManager().hardware_sources:
                if device.is_playing:
                    device.abort_playing()
            swift.close()


main()
